"""One study as a whole: its ImagingStudy, its Patient, and what was left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexer.mapping.coding import Entries
from indexer.mapping.context import Context
from indexer.mapping.dates import study_moment
from indexer.mapping.evidence import Evidence, Statement, by_rank, statements_of
from indexer.mapping.imaging_study import map_imaging_study, study_uid
from indexer.mapping.issues import Cause, Issues
from indexer.mapping.meta import with_meta
from indexer.mapping.patient import (
    datasets_of,
    identify,
    key_without_number,
    map_patient,
    map_subject,
    name_digest,
)
from indexer.mapping.release import ENCODINGS
from indexer.mapping.resolve import lookups
from indexer.mapping.rules import sampled_keywords
from indexer.mapping.series import MappedSeries, distinct_series, map_series
from indexer.model import Lookup, ResourceKey
from indexer.model.attributes import tag_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from indexer.mapping.issues import Issue
    from indexer.mapping.rules import Rules
    from indexer.model import Attributes, Series, Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What one study becomes.

    Attributes
    ----------
    patient
        The Patient resource as it would be created.
    patient_key
        Keyed hash of the patient's identifier, or of the StudyInstanceUID if the patient has none.
    basis
        ``StudyDate StudyTime StudyInstanceUID`` in a form that sorts by time, zeros where unknown: of two studies of
        one patient the one with the greater basis tells the demographics.
    name_digest
        Short keyed hash of the patient's name, empty without a name.
    issues
        What was left out or read in another way than it stands.
    has_patient
        Whether the study refers to `patient`. It does not when it names its patient by the identifier alone, holds it
        inside, or is of a device.
    lookups
        Logical references of the study that the rules want to be looked up.
    """

    source: str
    imaging_study: dict[str, Any]
    patient: dict[str, Any]
    patient_key: str
    basis: str
    name_digest: str
    issues: tuple[Issue, ...]
    has_patient: bool
    lookups: tuple[Lookup, ...]

    @property
    def patient_lookup(self) -> Lookup | None:
        """The patient's identifier, to search the FHIR server for it; None if the patient has none."""
        identifiers = self.patient.get("identifier", [])
        return next((Lookup("Patient", stated["system"], stated["value"]) for stated in identifiers), None)


def map_study(study: Study, rules: Rules) -> Mapped:
    """Map one study. Resources bear no id, and refer to each other by what they are (`ResourceKey.reference`).

    Raises
    ------
    StudyInvalid
        With the cause ``bad_study_uid``, ``no_patient_id``, ``bad_patient_id``, ``patient_id_charset`` or
        ``identity_conflict``.
    StudyNotReady
        With the cause ``issuer_unread``.
    """
    uid = study_uid(study)
    identity = identify(study, rules)
    stated = [(series, statements_of(series)) for series in distinct_series(study.series)]
    context = _context(study, rules, [statement for _, statements in stated for statement in statements])
    if identity is None:
        context.issues.add("PatientID", Cause.MISSING)
    patient = map_patient(identity, context)
    key = identity.key(rules) if identity else key_without_number(rules.site_key, uid)
    subject = map_subject(identity, key, patient, context)
    imaging_study = map_imaging_study(study, context, _mapped_series(stated, context), subject=subject)
    return Mapped(
        source=study.source,
        imaging_study=with_meta(imaging_study, rules, context.issues),
        patient=with_meta(patient, rules, context.issues),
        patient_key=key,
        basis=_basis(context.evidence, uid),
        name_digest=name_digest(context),
        issues=context.issues.listed(),
        has_patient=subject["subject"].get("reference") == ResourceKey("Patient", key).reference,
        lookups=lookups(imaging_study, rules.resolve),
    )


def _context(study: Study, rules: Rules, statements: Sequence[Statement]) -> Context:
    """The context of the study: what its datasets state, or its row in the database where none was read."""
    issues, datasets = Issues(), datasets_of(study)
    _count_undecoded(datasets or (study.attributes,), rules, issues)
    return Context(
        rules=rules,
        encoding=ENCODINGS[rules.release],
        entries=Entries(rules, issues, datasets),
        issues=issues,
        evidence=Evidence(by_rank(statements) or [Statement(study.attributes)], issues),
        list_instances=rules.instances.are_listed(study.number_of_instances),
    )


def _mapped_series(stated: Iterable[tuple[Series, Sequence[Statement]]], context: Context) -> list[MappedSeries]:
    """Each series by what its datasets state, or by its row in the database where none was read."""
    mapped = []
    for series, statements in stated:
        evidence = Evidence(statements or [Statement(series.attributes)], context.issues)
        mapped.append(map_series(series, context.at(evidence)))
    return mapped


def _count_undecoded(datasets: Iterable[Attributes], rules: Rules, issues: Issues) -> None:
    """Count what was left out because it could not be read."""
    counts = Counter(entry for dataset in datasets for entry in dataset.undecoded.items())
    keywords = {tag_of(keyword): keyword for keyword in sampled_keywords(rules)} if counts else {}
    for (tag, cause), count in counts.items():
        if tag in keywords:
            issues.add(keywords[tag], Cause(cause), count)


def _basis(evidence: Evidence, uid: str) -> str:
    moment = study_moment(evidence)
    date_part = f"{moment.day:%Y%m%d}" if moment else "0" * 8
    time_part = f"{moment.at:%H%M%S}" if moment and moment.at else "0" * 6
    return f"{date_part} {time_part} {uid}"
