"""The patient of a study: who it is, and the Patient resource that would be created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.errors import StudyInvalid, StudyNotReady
from indexer.mapping import coding
from indexer.mapping.context import Cause, Evidence
from indexer.mapping.dates import FIRST_BIRTH_YEAR, parse_date
from indexer.mapping.identity import Identity, keyed_digest, patient_key
from indexer.mapping.issuer import patient_id_system
from indexer.mapping.people import human_names
from indexer.mapping.syntax import filled
from indexer.model.attributes import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer.mapping.context import Issues
    from indexer.mapping.rules import Rules
    from indexer.model import Attributes, PersonName, Study

_DIGEST_LENGTH = 16
_GENDERS = {"M": "male", "F": "female", "O": "other"}


def datasets_of(study: Study) -> tuple[Attributes, ...]:
    """Every sampled dataset of a study in the order of series and SOPInstanceUID."""
    ordered = sorted(study.series, key=lambda one: one.series_instance_uid)
    return tuple(series.sampled[uid] for series in ordered for uid in sorted(series.sampled))


def patient_evidence(study: Study, issues: Issues) -> Evidence:
    """What is said of the patient: by the sampled datasets alone, by the database only where there is none.

    Orthanc keeps one patient for one number, whoever issued it, so its database may hold another person's name.
    """
    datasets = datasets_of(study)
    return Evidence(NOTHING if datasets else study.attributes, datasets, issues)


def identify(study: Study, rules: Rules) -> Identity:
    """The patient's identifier.

    Raises
    ------
    StudyInvalid
        With ``no_patient_id`` or ``identity_conflict``.
    StudyNotReady
        With ``issuer_unread``, where the issuer matters and no dataset was read.
    """
    datasets = datasets_of(study)
    if rules.issuer == "read" and not (study.is_sampled and datasets):
        raise StudyNotReady(
            "The issuer of the patient number could not be read.",
            cause="issuer_unread",
            hint="The study waits until DICOMweb answers. 'issuer: ignore' takes the number without its issuer.",
        )
    statements = datasets or (study.attributes,)
    value = _only_value(statements)
    if rules.issuer == "ignore":
        return Identity(rules.patient_id_system, value)
    systems = {patient_id_system(dataset, rules) for dataset in datasets} - {None}
    if len(systems) > 1:
        raise _conflict("The study's instances name different issuers of the patient number.")
    return Identity(next(iter(systems), None) or rules.patient_id_system, value)


def map_patient(evidence: Evidence, identity: Identity, rules: Rules) -> dict[str, Any]:
    """The Patient resource as it would be created, without an id."""
    name = _name(evidence)
    return filled(
        resourceType="Patient",
        identifier=[
            {
                "use": rules.preset.patient_identifier_use,
                "type": coding.MEDICAL_RECORD_NUMBER,
                "system": identity.system,
                "value": identity.value,
            }
        ],
        name=human_names(name) if name else [],
        gender=_gender(evidence),
        birthDate=_birth_date(evidence),
    )


def with_demographics(held: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """A Patient that others made, with the name, gender and birth date that the archive states."""
    stated = {name: ours[name] for name in ("name", "gender", "birthDate") if name in ours}
    kept = {name: value for name, value in held.items() if name.lstrip("_") not in stated or name in stated}
    return {**kept, **stated}


def key_of(identity: Identity, rules: Rules) -> str:
    """Key of the patient in the ledger."""
    return patient_key(rules.site_key, identity.system, identity.value)


def name_digest(evidence: Evidence, rules: Rules) -> str:
    """Short keyed hash of the name, so that one number with many names is noticed; empty without a name.

    Letter case, padding and empty trailing components do not make another name.
    """
    name = _name(evidence)
    return keyed_digest(rules.site_key, f"name|{_plain(name)}")[:_DIGEST_LENGTH] if name else ""


def _only_value(datasets: tuple[Attributes, ...]) -> str:
    stated = {text for dataset in datasets for text in dataset.texts("PatientID")}
    if not stated:
        raise StudyInvalid(
            "The study has no patient number.",
            cause="no_patient_id",
            hint="Give the study a PatientID in the archive; it is then indexed by itself.",
        )
    if len(stated) > 1:
        raise _conflict("The study's instances state different patient numbers.")
    return stated.pop()


def _name(evidence: Evidence) -> PersonName | None:
    """The first name that is stated: instances that spell it in other ways do not make the patient nameless."""
    return next((name for dataset in evidence.all for name in dataset.person_names("PatientName")), None)


def _plain(name: PersonName) -> str:
    group = name.alphabetic or name.ideographic or name.phonetic
    return " ".join(group.casefold().replace("^", " ").split())


def _conflict(message: str) -> StudyInvalid:
    return StudyInvalid(
        message,
        cause="identity_conflict",
        hint="Find out in the archive whose study it is and correct it; it is then indexed by itself.",
    )


def _gender(evidence: Evidence) -> str | None:
    sex = (evidence.text("PatientSex") or "").upper()
    if sex and sex not in _GENDERS:
        evidence.issues.add("PatientSex", Cause.UNKNOWN_CODE)
    return _GENDERS.get(sex)


def _birth_date(evidence: Evidence) -> str | None:
    text = evidence.text("PatientBirthDate")
    day = parse_date(text, FIRST_BIRTH_YEAR) if text else None
    if text and day is None:
        evidence.issues.add("PatientBirthDate", Cause.MALFORMED)
    return day.isoformat() if day else None
