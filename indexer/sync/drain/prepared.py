"""A study that was read and mapped, and what it becomes once it is known what the FHIR server holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from indexer import mapping
from indexer.bundle import Entry
from indexer.model import Patient, Published
from indexer.sync.drain.patients import StatedPatient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer.mapping import Mapped
    from indexer.model import Lookup, Study, Task
    from indexer.sync.drain.patients import PatientPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A study that was read and mapped.

    Attributes
    ----------
    entry
        The ImagingStudy; its body is what the fingerprint was taken of.
    patient
        What the study says of the Patient that it refers to; None if it refers to no such resource.
    lookups
        Logical references that are looked up before it is sent.
    is_changed
        Whether the ImagingStudy differs from what was last confirmed, or is sent by force.
    is_patient_due
        Whether the Patient had to be written when this was prepared; decided again when it is sent.
    """

    task: Task
    entry: Entry
    published: Published
    patient: StatedPatient | None
    lookups: tuple[Lookup, ...] = ()
    is_changed: bool = True
    is_patient_due: bool = True


def resource_entry(resource: dict[str, object], study_instance_uid: str | None, patient_key: str | None) -> Entry:
    """A resource as an entry of a Bundle, serialised once."""
    return Entry(
        resource_type=str(resource["resourceType"]),
        fhir_id=str(resource["id"]),
        body=orjson.dumps(resource),
        study_instance_uid=study_instance_uid,
        patient_key=patient_key,
    )


def complete(
    one: Prepared, patient: Patient | None, references: Mapping[Lookup, str], policy: PatientPolicy
) -> Prepared:
    """The study with the references that only the FHIR server knows, and whether it has to be sent.

    Parameters
    ----------
    patient
        The Patient that the server holds, None if it holds none.
    references
        Literal references by what was looked up.
    """
    body = _referring(one.entry.body, patient, references)
    published = replace(one.published, fingerprint=mapping.fingerprint(body))
    return replace(
        one,
        entry=replace(one.entry, body=body),
        published=published,
        is_changed=one.task.force or not _is_confirmed(one.task.published, published),
        is_patient_due=one.patient is not None and policy.is_due(patient, one.patient.row),
    )


def _referring(body: bytes, patient: Patient | None, references: Mapping[Lookup, str]) -> bytes:
    is_foreign = patient is not None and not patient.is_ours
    if not (is_foreign or references):
        return body
    resource: dict[str, Any] = mapping.resolved(orjson.loads(body), references)
    if patient is not None:
        resource = mapping.referring(resource, reference_to(patient))
    return orjson.dumps(resource)


def reference_to(patient: Patient) -> str:
    """How a resource refers to a Patient that the ledger knows."""
    return f"Patient/{patient.fhir_id}"


def untold(task: Task, mapped: Mapped, study: Study) -> Prepared:
    """The study as it is before anything was asked of the FHIR server."""
    key = mapped.patient_key if mapped.has_patient else None
    patient = resource_entry(mapped.patient, None, key)
    entry = resource_entry(mapped.imaging_study, task.study_instance_uid, key)
    return Prepared(
        task=task,
        entry=replace(entry, patient_body=patient.body),
        published=Published(
            study_instance_uid=task.study_instance_uid,
            fhir_id=entry.fhir_id,
            version_id=None,
            fingerprint="",
            mapping_generation=mapping.MAPPING_GENERATION,
            last_update=study.last_update,
            number_of_series=len(study.series),
            number_of_instances=study.number_of_instances,
            patient_key=key,
        ),
        patient=_stated(mapped, patient) if mapped.has_patient else None,
        lookups=mapped.lookups,
    )


def _stated(mapped: Mapped, entry: Entry) -> StatedPatient:
    row = Patient(
        patient_key=mapped.patient_key,
        fhir_id=entry.fhir_id,
        fingerprint=mapping.fingerprint(entry.body),
        basis=mapped.basis,
        names=(mapped.name_digest,) if mapped.name_digest else (),
    )
    return StatedPatient(row=row, entry=entry, lookup=mapped.patient_lookup)


def _is_confirmed(known: Published | None, seen: Published) -> bool:
    return (
        known is not None
        and known.fingerprint == seen.fingerprint
        and known.mapping_generation == seen.mapping_generation
    )
