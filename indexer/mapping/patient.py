"""Whom a study is of: the patient's identifier and key, the Patient resource, and the study's subject."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from indexer.errors import StudyInvalid, StudyNotReady
from indexer.mapping import coding
from indexer.mapping.dates import FIRST_BIRTH_YEAR, parse_date
from indexer.mapping.issuer import patient_id_system, patient_identifier
from indexer.mapping.issues import Cause
from indexer.mapping.people import human_names
from indexer.mapping.rules import Element, Subject, WithoutNumber
from indexer.mapping.syntax import filled
from indexer.model import ResourceKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer.mapping.context import Context
    from indexer.mapping.rules import Rules
    from indexer.mapping.syntax import Json
    from indexer.model import Attributes, PersonName, Study

_DIGEST_LENGTH = 16
_GENDERS = {"M": "male", "F": "female", "O": "other"}
_CONTAINED_ID = "patient"
_NO_NUMBER: Json = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}],
    "display": "unknown",
}
"""An empty PatientID, which is of type 2, means 'unknown'.

Source: PS3.5 2024e, section 7.4.3 "Type 2 Required Data Elements"; FHIR R4, "DataAbsentReason".
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """System and value of the identifier that a study's patient bears."""

    system: str
    value: str

    def key(self, rules: Rules) -> str:
        """Key of the patient in the ledger."""
        return patient_key(rules.site_key, self.system, self.value)


def datasets_of(study: Study) -> tuple[Attributes, ...]:
    """Every sampled dataset of a study in the order of series and SOPInstanceUID."""
    ordered = sorted(study.series, key=lambda series: series.series_instance_uid)
    return tuple(series.sampled[uid] for series in ordered for uid in sorted(series.sampled))


def identify(study: Study, rules: Rules) -> Identity | None:
    """The patient's identifier; None if the study has no PatientID and `Rules.without_number` allows that.

    Raises
    ------
    StudyInvalid
        With ``no_patient_id``, ``bad_patient_id``, ``patient_id_charset`` or ``identity_conflict``.
    StudyNotReady
        With ``issuer_unread``, where the issuer matters and no dataset was read.
    """
    datasets = datasets_of(study)
    if rules.issuer == "read" and not (study.is_sampled and datasets):
        raise StudyNotReady(
            "The issuer of the patient number could not be read.",
            cause="issuer_unread",
            hint="The study waits until a dataset can be read. 'issuer: ignore' takes the number without its issuer.",
        )
    statements = datasets or (study.attributes,)
    value = _only_value(statements)
    if value is None and rules.without_number is WithoutNumber.QUARANTINE:
        raise StudyInvalid(
            "The study has no patient number.",
            cause="no_patient_id",
            hint="Give the study a PatientID in the archive, or set patients.without_number.",
        )
    if value is None:
        return None
    if rules.issuer == "ignore":
        return Identity(rules.patient_id_system, value)
    systems = {patient_id_system(dataset, rules) for dataset in datasets} - {None}
    if len(systems) > 1:
        raise _conflict("The study's instances name different issuers of the patient number.")
    return Identity(next(iter(systems), None) or rules.patient_id_system, value)


def map_patient(identity: Identity | None, context: Context) -> Json:
    """The Patient resource as it would be created, without an id; without an identifier if nobody gave it one."""
    name = _name(context)
    return filled(
        resourceType="Patient",
        identifier=[_medical_record_number(identity, context)] if identity else [],
        name=human_names(name) if name else [],
        gender=_gender(context),
        birthDate=_birth_date(context),
    )


def with_demographics(present: Mapping[str, Any], ours: Mapping[str, Any]) -> Json:
    """A Patient that others made, with the name, gender and birth date that the archive states."""
    stated = {name: ours[name] for name in ("name", "gender", "birthDate") if name in ours}
    kept = {name: value for name, value in present.items() if name.lstrip("_") not in stated or name in stated}
    return {**kept, **stated}


def _medical_record_number(identity: Identity, context: Context) -> Json:
    return {
        "use": context.rules.preset.patient_identifier_use,
        "type": coding.MEDICAL_RECORD_NUMBER,
        "system": identity.system,
        "value": identity.value,
    }


def map_subject(identity: Identity | None, key: str, patient: Json, context: Context) -> Json:
    """``subject``, and ``contained`` where the rules want the patient inside the study; `key` is the patient's."""
    rules = context.rules
    if context.wants(Element.DEVICE_SUBJECT) and _is_device(identity, context):
        identifier = {"identifier": {"system": identity.system, "value": identity.value}} if identity else _NO_NUMBER
        return {"subject": {"type": "Device", **identifier}}
    if identity is None and (rules.without_number is WithoutNumber.ABSENT or rules.subject is Subject.LOGICAL):
        return {"subject": {"type": "Patient", **_NO_NUMBER}}
    if rules.subject is Subject.LOGICAL:
        return {"subject": {"type": "Patient", "identifier": patient["identifier"][0]}}
    if rules.subject is Subject.CONTAINED:
        contained = {"resourceType": "Patient", "id": _CONTAINED_ID, **patient}
        return {"contained": [contained], "subject": {"reference": f"#{_CONTAINED_ID}"}}
    return {"subject": {"reference": ResourceKey("Patient", key).reference}}


def patient_key(site_key: bytes, system: str, value: str) -> str:
    """Keyed hash of a patient's identifier, 64 hexadecimal digits.

    A plain hash of a patient number can be guessed back by trying all numbers. A URI holds no ``|``, so system and
    value cannot run into each other.
    """
    return _keyed_digest(site_key, f"{system}|{value}")


def key_without_number(site_key: bytes, study_instance_uid: str) -> str:
    """Key of the patient of one study that has no patient number.

    No patient number has this key: the system of one is a URI, and holds a ``:``.
    """
    return _keyed_digest(site_key, f"study|{study_instance_uid}")


def name_digest(context: Context) -> str:
    """Short keyed hash of the name, so that one number with many names is noticed; empty without a name.

    Letter case, padding and empty trailing components do not make another name.
    """
    name = _name(context)
    if name is None:
        return ""
    group = name.alphabetic or name.ideographic or name.phonetic
    plain = " ".join(group.casefold().replace("^", " ").split())
    return _keyed_digest(context.rules.site_key, f"name|{plain}")[:_DIGEST_LENGTH]


def _keyed_digest(site_key: bytes, text: str) -> str:
    return hmac.new(site_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _is_device(identity: Identity | None, context: Context) -> bool:
    """Whether the study is of a device, such as a phantom: by the site's patterns, or as the dataset says.

    Source: PS3.3 2024e, C.7.1.1 "Patient Module", Quality Control Subject.
    """
    value = identity.value if identity else ""
    is_named = any(fnmatchcase(value, pattern) for pattern in context.rules.device_patient_ids)
    return is_named or any(dataset.text("QualityControlSubject") == "YES" for dataset in context.evidence.datasets)


def _only_value(datasets: tuple[Attributes, ...]) -> str | None:
    # What an archive answers wrongly says nothing, as long as it states the number elsewhere in the study.
    sound = [dataset for dataset in datasets if dataset.undecoded_cause("PatientID") != "malformed"] or datasets
    stated = {text for dataset in sound if (text := patient_identifier(dataset, "PatientID"))}
    if len(stated) > 1:
        raise _conflict("The study's instances state different patient numbers.")
    return next(iter(stated), None)


def _name(context: Context) -> PersonName | None:
    names = context.evidence.person_names("PatientName")
    return names[0] if names else None


def _conflict(message: str) -> StudyInvalid:
    return StudyInvalid(
        message,
        cause="identity_conflict",
        hint="Find out in the archive whose study it is and correct it; it is then indexed by itself.",
    )


def _gender(context: Context) -> str | None:
    return context.evidence.parsed("PatientSex", lambda text: _GENDERS.get(text.upper()), Cause.UNKNOWN_CODE)


def _birth_date(context: Context) -> str | None:
    day = context.evidence.parsed("PatientBirthDate", partial(parse_date, first_year=FIRST_BIRTH_YEAR))
    return day.isoformat() if day else None
