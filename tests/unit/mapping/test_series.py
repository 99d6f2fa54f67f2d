import pytest

from indexer.model import Attributes, Study
from indexer.model.attributes import tag_of
from tests.fakes.attributes import over
from tests.unit.mapping.studies import (
    BASIC_TEXT_SR,
    CT,
    PATIENT,
    code,
    dataset,
    first_series,
    instance,
    issues,
    mapped,
    series,
    study,
)


def numbered(text: str) -> Study:
    return study(None, series({"SeriesNumber": text}, instances=(instance(text),)))


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), (" +007 ", 7), ("2147483647", 2147483647)])
def test_numbers_as_received(text: str, number: int) -> None:
    element = first_series(numbered(text))
    assert element["number"] == element["instance"][0]["number"] == number


@pytest.mark.parametrize("text", ["-1", "1.0", "2147483648", "junk", "١", "1_0", "9" * 5000])
def test_numbers_that_fhir_cannot_hold_are_left_out(text: str) -> None:
    element = first_series(numbered(text))
    assert "number" not in element
    assert "number" not in element["instance"][0]
    assert issues(mapped(numbered(text))) >= {("SeriesNumber", "out_of_range"), ("InstanceNumber", "out_of_range")}


@pytest.mark.parametrize(
    ("database", "values", "expected"), [("5", [5], 5), ("4294967301", [5], None), ("1.5", [], None)]
)
def test_a_number_that_dicomweb_wraps_is_left_out(database: str, values: list[int], expected: int | None) -> None:
    sample = Attributes({tag_of("SeriesNumber"): {"vr": "IS", "Value": values}})
    one = study(None, series({"SeriesNumber": database}, sampled={"1.1": over(sample, dataset(PATIENT))}))
    assert first_series(one).get("number") == expected
    assert (("SeriesNumber", "out_of_range") in issues(mapped(one))) == (expected is None)


def test_instances_are_ordered_and_duplicates_collapse() -> None:
    uids = ((2, "1.3"), (None, "1.1"), (1, "1.9"), (1, "1.5"), (8, "1.9"))
    found = mapped(study(None, series(instances=tuple(instance(number, uid=uid) for number, uid in uids))))
    assert [one["uid"] for one in found.imaging_study["series"][0]["instance"]] == ["1.5", "1.9", "1.3", "1.1"]
    assert found.imaging_study["numberOfInstances"] == 4
    assert [(one.keyword, one.cause.value, one.count) for one in found.issues if one.cause == "duplicate"] == [
        ("SOPInstanceUID", "duplicate", 1)
    ]


def test_instances_that_cannot_be_listed_are_counted() -> None:
    bad_uid = (instance(1, uid="1.1\0"), instance(2, uid="1.X"))
    bad_class = (instance(3, uid="1.3", sop_class=None), instance(4, uid="1.4", sop_class="no class"))
    found = mapped(study(None, series(instances=(*bad_uid, *bad_class))))
    assert [one["uid"] for one in found.imaging_study["series"][0]["instance"]] == ["1.1"]
    assert found.imaging_study["numberOfInstances"] == 4
    assert issues(found) >= {("SOPInstanceUID", "not_listed"), ("SOPClassUID", "not_listed")}


def test_private_class_has_no_name() -> None:
    element = first_series(study(None, series(instances=(instance(sop_class="1.3.12.2.1107.5.9.1"),))))
    code = {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.3.12.2.1107.5.9.1"}
    assert element["instance"][0]["sopClass"] == code


@pytest.mark.parametrize(
    ("stated", "sop_class", "expected", "issue"),
    [
        ("CT", CT, "CT", None),
        (" ct ", CT, "CT", None),
        ("ST", CT, "ST", None),
        ("MYOWN", CT, "MYOWN", ("Modality", "unknown_code")),
        ("", BASIC_TEXT_SR, "SR", ("Modality", "missing")),
        ("C/T", CT, "CT", ("Modality", "malformed")),
        ("", "1.3.12.2.1107.5.9.1", "OT", ("Modality", "missing")),
        ("", None, "OT", ("Modality", "missing")),
    ],
)
def test_modality(stated: str, sop_class: str | None, expected: str, issue: tuple[str, str] | None) -> None:
    found = mapped(study(None, series({"Modality": stated}, instances=(instance(sop_class=sop_class),))))
    assert found.imaging_study["series"][0]["modality"]["code"] == expected
    assert issue is None or issue in issues(found)


def test_unknown_modality_bears_no_system() -> None:
    assert first_series(study(None, series({"Modality": "MYOWN"})))["modality"] == {"code": "MYOWN"}


@pytest.mark.parametrize(
    ("database", "sample", "expected"),
    [
        ({"SeriesDescription": "other"}, dataset({"SeriesDescription": "Axial"}), "Axial"),
        ({}, dataset({"SeriesDescription": "Axial"}), "Axial"),
        ({}, dataset({}, SeriesDescriptionCodeSequence=[code("1", "99L", "Axial")]), "Axial"),
        ({"ProtocolName": "Routine"}, dataset({}), "Routine"),
        ({}, dataset({}), None),
    ],
)
def test_description(database: dict[str, str], sample: Attributes, expected: str | None) -> None:
    one = series(database, sampled={"1.1": over(sample, dataset(PATIENT))})
    assert first_series(study(None, one)).get("description") == expected
