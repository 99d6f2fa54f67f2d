"""Studies as the mapping makes them, in every release: a corrected study beside what others wrote into the last one."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from indexer import mapping
from indexer.merge import Conflict, Merged, merge
from indexer.model import Series
from tests.unit.mapping.studies import INSTANCE_UID, SERIES_UID, code, dataset, instance, mapped, series, study

Resource = dict[str, Any]

EXTENSION = {
    "url": "http://hl7.eu/fhir/ig/flute/StructureDefinition/resource-supportingInfo",
    "valueReference": {"reference": "Observation/psa"},
}
STUDY = {"PatientID": "0042", "AccessionNumber": "A1", "StudyDate": "20240101", "StudyDescription": "Chest"}
CODES = {"ProcedureCodeSequence": [code("1", "99LOCAL", "CT of the chest")]}


def part(number: int, modality: str, count: int, **attributes: str) -> Series:
    uid = f"{SERIES_UID}.{number}"
    sampled = dataset({"PatientID": "0042", **attributes}, **CODES)
    return series(
        {"Modality": modality, "SeriesNumber": str(number), **attributes},
        uid=uid,
        instances=tuple(instance(one, uid=f"{uid}.{one}") for one in range(1, count + 1)),
        sampled={INSTANCE_UID: sampled},
    )


def versions(release: mapping.Release) -> tuple[Resource, Resource]:
    """A study as it was, and after corrections: other patient, text and accession, a series less, an instance more."""
    wanted: dict[str, Any] = {
        "release": release,
        "elements": frozenset(mapping.Element),
        "meta_source": "http://archive.example.org/dicom-web",
    }
    old = study(
        STUDY,
        part(1, "CT", 3, BodyPartExamined="CHEST", Manufacturer="Old", DeviceSerialNumber="1"),
        part(2, "SR", 1),
    )
    new = study(
        {**STUDY, "AccessionNumber": "A2", "StudyDescription": "Head"},
        part(1, "CT", 4, BodyPartExamined="HEAD", Manufacturer="New", DeviceSerialNumber="2"),
    )
    return mapped(old, **wanted).imaging_study, mapped(new, **wanted).imaging_study


def add_to_study(one: Resource) -> None:
    one["extension"] = [EXTENSION]
    one["identifier"].append({"system": "urn:sparc_study:uid", "value": "s1"})
    one["endpoint"].append({"reference": "Endpoint/theirs"})
    one["encounter"] = {"reference": "Encounter/1"}
    one["meta"]["tag"] = [{"system": "https://example.org/tags", "code": "research"}]


def add_to_primitives(one: Resource) -> None:
    one["_started"] = {"extension": [EXTENSION]}
    one["series"][0]["_number"] = {"id": "n"}


def add_to_elements(one: Resource) -> None:
    one["identifier"][0]["extension"] = [EXTENSION]
    one["series"][0]["extension"] = [EXTENSION]
    one["series"][0]["endpoint"] = [{"reference": "Endpoint/theirs"}]
    one["series"][0]["instance"][1]["modifierExtension"] = [EXTENSION]


def add_series(one: Resource) -> None:
    one["series"].insert(0, {**one["series"][0], "uid": "9.9"})
    one["series"][1]["instance"].insert(0, {"uid": "9.9.9"})


EDITS = [add_to_study, add_to_primitives, add_to_elements, add_series]


def edited(one: Resource, *edits: Callable[[Resource], None]) -> Resource:
    copied: Resource = orjson.loads(orjson.dumps(one))
    for edit in edits:
        edit(copied)
    return copied


@pytest.mark.parametrize("release", mapping.Release)
@pytest.mark.parametrize("edits", [[], EDITS[:3], *([one] for one in EDITS[:3])])
def test_the_correction_and_what_others_added_meet(
    release: mapping.Release, edits: list[Callable[[Resource], None]]
) -> None:
    before, ours = versions(release)
    theirs = edited(before, *edits)
    found = merge(before, ours, theirs, Conflict.QUARANTINE)
    expected = edited(ours, *edits)
    assert sorted(found.resource.pop("identifier"), key=str) == sorted(expected.pop("identifier"), key=str)
    assert sorted(found.resource.pop("endpoint"), key=str) == sorted(expected.pop("endpoint"), key=str)
    assert found == Merged(expected, is_changed=True, is_shared=bool(edits))
    assert not merge(before, before, theirs, Conflict.QUARANTINE).is_changed


@pytest.mark.parametrize("release", mapping.Release)
def test_series_and_instances_of_others_stand_before_our_corrected_ones(release: mapping.Release) -> None:
    before, ours = versions(release)
    theirs = edited(before, add_series)
    found = merge(before, ours, theirs, Conflict.QUARANTINE).resource
    assert [one["uid"] for one in found["series"]] == ["9.9", f"{SERIES_UID}.1"]
    assert found["series"][0] == theirs["series"][0]
    assert found["series"][1] == {
        **ours["series"][0],
        "instance": [{"uid": "9.9.9"}, *ours["series"][0]["instance"]],
    }
    assert (found["numberOfSeries"], found["numberOfInstances"]) == (1, 4)


@pytest.mark.parametrize("release", mapping.Release)
@pytest.mark.parametrize("kind", ["patient", "endpoint"])
def test_other_resources_are_merged_by_the_same_rules(release: mapping.Release, kind: str) -> None:
    rules = {"release": release}
    if kind == "patient":
        before = mapped(study(), **rules).patient
        ours = before | {"gender": "male"}
        added = {
            "telecom": [{"system": "phone", "value": "1"}],
            "managingOrganization": {"reference": "Organization/1"},
        }
    else:
        before = mapping.endpoint(
            "http://archive.example.org/dicom-web",
            identifier="5c7b2d1e-0000-5000-8000-000000000001",
            source="main",
            rules=mapping.Rules(site_key=b"k" * 32, patient_id_system="urn:oid:1.2.3.4", **rules),
        )
        ours = before | {"address": "http://other.example.org/dicom-web"}
        added = {"header": ["Accept: application/dicom"], "contact": [{"system": "phone", "value": "1"}]}
    assert merge(before, ours, before | added, Conflict.QUARANTINE) == Merged(
        ours | added, is_changed=True, is_shared=True
    )
