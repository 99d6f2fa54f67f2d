from typing import Any

import pytest

from indexer.model import Attributes, PersonName
from indexer.model.attributes import clean, tag_of


def attributes(keyword: str, *values: Any) -> Attributes:
    return Attributes({tag_of(keyword): {"vr": "UN", "Value": list(values)}})


def test_unknown_keyword() -> None:
    with pytest.raises(KeyError):
        tag_of("NoSuchKeyword")


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["a\0 ", "", None, "b"], ("a", "b")),
        ([1, 2.5, True], ("1", "2.5")),
        ([float("nan"), float("inf"), 10**5000, -(10**5000)], ()),
        ([{"Alphabetic": "x"}, ["y"]], ()),
        (["\ud800x\ufffe\x1b"], ("x",)),
    ],
)
def test_texts(values: list[Any], texts: tuple[str, ...]) -> None:
    assert attributes("StudyDescription", *values).texts("StudyDescription") == texts


@pytest.mark.parametrize("element", [None, "text", [], {}, {"Value": "text"}, {"Value": None}, {"vr": "LO"}])
def test_elements_of_a_wrong_shape_are_absent(element: Any) -> None:
    found = Attributes({tag_of("StudyDescription"): element})
    assert found.text("StudyDescription") is None
    assert found.items("StudyDescription") == ()


def test_items() -> None:
    found = attributes("ProcedureCodeSequence", {"a": 1}, None, "text", {})
    assert [item.json for item in found.items("ProcedureCodeSequence")] == [{"a": 1}, {}]
    assert found.item("ProcedureCodeSequence").json == {"a": 1}
    assert found.item("ReferencedStudySequence").json == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Yamada^T=山田=やまだ=more", PersonName("Yamada^T", "山田", "やまだ")),
        ({"Alphabetic": " A ", "Phonetic": "C"}, PersonName("A", "", "C")),
        ({"Alphabetic": ["A"], "Ideographic": None}, None),
        ("", None),
        (7, None),
    ],
)
def test_person_names(value: Any, expected: PersonName | None) -> None:
    assert attributes("PatientName", value).person_names("PatientName") == ((expected,) if expected else ())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["Head", "Neck"], "Head\\Neck"),
        (["Head", None, " Neck "], "Head\\\\Neck"),
        (["Head", ""], "Head\\"),
        ([None, " "], None),
        (["Head"], "Head"),
    ],
)
def test_a_text_with_a_backslash_is_whole(values: list[Any], text: str | None) -> None:
    assert attributes("StudyDescription", *values).text("StudyDescription") == text


@pytest.mark.parametrize(
    ("keyword", "values"),
    [("Modality", ["CT", "MR"]), ("StudyDate", ["20240102", "20240103"]), ("ImageType", ["ORIGINAL", "PRIMARY"])],
)
def test_of_several_values_the_first_is_the_text(keyword: str, values: list[str]) -> None:
    found = attributes(keyword, *values)
    assert found.text(keyword) == values[0]
    assert found.texts(keyword) == tuple(values)


def test_a_name_with_a_backslash_is_whole() -> None:
    found = attributes("PatientName", "Muster", {"Alphabetic": "Meier^Erika", "Ideographic": "山田"})
    assert found.person_names("PatientName") == (PersonName("Muster\\Meier^Erika", "山田"),)
    readers = attributes("NameOfPhysiciansReadingStudy", "A", "B")
    assert len(readers.person_names("NameOfPhysiciansReadingStudy")) == 2


def test_texts_of_an_unknown_character_set() -> None:
    unknown = {"vr": "LO", "undecoded": True}
    item = {tag_of("CodeMeaning"): unknown}
    found = Attributes(
        {
            tag_of("StudyDescription"): unknown,
            tag_of("PatientID"): {"vr": "LO", "Value": ["1"]},
            tag_of("ProcedureCodeSequence"): {"vr": "SQ", "Value": [{}, item]},
            tag_of("AnatomicRegionSequence"): {"vr": "SQ", "Value": [{}, None]},
        }
    )
    assert found.undecoded.keys() == {tag_of("StudyDescription"), tag_of("ProcedureCodeSequence")}
    assert found.text("StudyDescription") is None


def test_clean() -> None:
    assert clean("\u3000\x00 a\tb \r\n") == "a\tb"
