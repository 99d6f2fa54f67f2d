"""Synthetic studies for the tests of the mapping, with every part open to change."""

from dataclasses import replace
from typing import Any

from indexer import mapping
from indexer.model import Attributes, Instance, Series, Study
from indexer.model.attributes import tag_of
from tests.fakes.attributes import from_keywords, over
from tests.resources import as_put
from tests.unit.mapping.r6 import mistakes

CT = "1.2.840.10008.5.1.4.1.1.2"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
STUDY_UID = "1.2.826.0.1.3680043.8.498.1"
SERIES_UID = "1.2.826.0.1.3680043.8.498.2"
INSTANCE_UID = "1.2.826.0.1.3680043.8.498.3"

PATIENT = {
    "PatientID": "0042",
    "PatientName": "Muster^Erika^Maria^Dr.^MA",
    "PatientSex": "F",
    "PatientBirthDate": "19640812",
}


def rules(**changes: Any) -> mapping.Rules:
    return mapping.Rules(**{"site_key": b"k" * 32, "patient_id_system": "urn:oid:1.2.3.4", **changes})


def dataset(values: dict[str, str] | None = None, **sequences: list[Attributes]) -> Attributes:
    """Attributes by keyword; sequences by keyword from the attributes of their items."""
    plain = from_keywords(values or {}).json
    nested = {tag_of(key): {"vr": "SQ", "Value": [item.json for item in found]} for key, found in sequences.items()}
    return Attributes({**plain, **nested})


def code(value: str, scheme: str, meaning: str, **more: str) -> Attributes:
    return dataset({"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning, **more})


def instance(number: int | str | None = 1, *, uid: str = INSTANCE_UID, sop_class: str | None = CT) -> Instance:
    return Instance(uid, sop_class, None if number is None else str(number))


def series(
    attributes: dict[str, str] | None = None,
    *,
    uid: str = SERIES_UID,
    instances: tuple[Instance, ...] | None = None,
    sampled: dict[str, Attributes] | None = None,
) -> Series:
    return Series(
        series_instance_uid=uid,
        attributes=from_keywords({"Modality": "CT"} if attributes is None else attributes),
        instances=(instance(),) if instances is None else instances,
        sampled={INSTANCE_UID: dataset(PATIENT)} if sampled is None else sampled,
    )


def study(
    attributes: dict[str, str] | None = None, *found: Series, uid: str = STUDY_UID, is_sampled: bool = True
) -> Study:
    """A study whose instances state what the rows of the study and of their series do, beneath what is given."""
    row = from_keywords({"PatientID": "0042"} if attributes is None else attributes)
    return Study(
        study_instance_uid=uid,
        source="main",
        attributes=row,
        series=tuple(_with_rows(one, row) for one in found or (series(),)),
        is_sampled=is_sampled,
    )


def _with_rows(one: Series, row: Attributes) -> Series:
    rows = over(one.attributes, row)
    return replace(one, sampled={key: over(sample, rows) for key, sample in one.sampled.items()})


def sampled_study(sample: Attributes, *more: Attributes, attributes: dict[str, str] | None = None) -> Study:
    """A study of one series whose sampled datasets are those given, with the patient's attributes beneath."""
    sampled = {f"{INSTANCE_UID}.{index}": over(one, dataset(PATIENT)) for index, one in enumerate((sample, *more))}
    return study(attributes, series(sampled=sampled))


def mapped(one: Study | None = None, **changes: Any) -> mapping.Mapped:
    """The study mapped, after making sure that it is sound for its release."""
    applied = rules(**changes)
    found = as_put(mapping.map_study(one or study(), applied))
    for resource in (found.imaging_study, found.patient):
        assert mapping.check(resource, applied.release) == ()
        if applied.release is mapping.Release.R6:
            assert mistakes(resource) == []
    return found


def first_series(one: Study | None = None, **changes: Any) -> dict[str, Any]:
    """The first series of a study as it is mapped."""
    element: dict[str, Any] = mapped(one, **changes).imaging_study["series"][0]
    return element


def coded(system: str, value: str, display: str) -> dict[str, Any]:
    """A Coding as it is expected."""
    return {"system": system, "code": value, "display": display}


def issues(found: mapping.Mapped) -> set[tuple[str, str]]:
    return {(issue.keyword, issue.cause.value) for issue in found.issues}
