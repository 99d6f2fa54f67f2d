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


def test_clean() -> None:
    assert clean("\u3000\x00 a\tb \r\n") == "a\tb"
