"""``quarantine resolve``: somebody decides which Patient a patient number means."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from indexer.cli.console import OUTPUT
from indexer.errors import UsageError
from indexer.mapping import map_study
from indexer.model import Patient, ResourceKey
from indexer.plan import demographics_digest

if TYPE_CHECKING:
    from indexer.cli.compose import Site
    from indexer.mapping import Mapped

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")

CAUSES = ("patient_mismatch", "patient_ambiguous")
"""Causes that such a decision removes."""


def resolve(site: Site, study_instance_uid: str, patient_id: str) -> None:
    """Record that the patient of this study is this Patient, and mark the study dirty again."""
    mapped = _mapped(site, study_instance_uid)
    if not _ID.fullmatch(patient_id):
        raise UsageError("the value of --patient is no id of a resource; give the part after 'Patient/'")
    (present,) = site.target.fetch([f"Patient/{patient_id}"])
    if present is None:
        raise UsageError("the FHIR server has no Patient with this id")
    site.ledger.put_patients([_decided(site, mapped, patient_id)])
    site.ledger.replay([study_instance_uid], time.time(), sources=list(site.sources))
    OUTPUT.print(f"Studies of this patient number refer to Patient/{patient_id} from now on; this one is tried again.")


def _mapped(site: Site, study_instance_uid: str) -> Mapped:
    row = site.ledger.study(study_instance_uid)
    if row is None or row.quarantine is None or row.quarantine.cause not in CAUSES:
        raise UsageError(f"this study is not in quarantine with the cause {' or '.join(CAUSES)}")
    study, source = site.reader.studies.read(row.locations)
    mapped = map_study(study, source.rules)
    if not mapped.has_patient:
        raise UsageError("this study does not refer to a Patient resource as it is configured now; replay it")
    return mapped


def _decided(site: Site, mapped: Mapped, patient_id: str) -> Patient:
    key = mapped.patient_key
    known = site.ledger.patients([key]).get(key)
    return Patient(
        patient_key=key,
        fhir_id=patient_id,
        fingerprint="",
        basis="",
        names=known.names if known else (),
        is_ours=patient_id == site.strategy.fhir_id(ResourceKey("Patient", key)),
        is_shared=True,
        decided_for=demographics_digest(mapped.patient),
    )
