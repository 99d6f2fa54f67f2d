"""When two Patients of one number seem to be different people."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.mapping.people import human_names
from indexer.model import PersonName
from indexer.plan.mismatch import is_mismatch

NAMES = st.sampled_from(["Müller", "Sato", "佐藤", "", None])
PATIENTS = st.fixed_dictionaries(
    {},
    optional={
        "birthDate": st.sampled_from(["1970", "1970-05", "1970-05-01", "1971-05-01"]),
        "gender": st.sampled_from(["male", "female", "other", "unknown"]),
        "name": st.lists(st.fixed_dictionaries({"family": NAMES}), max_size=3),
    },
)


def patient(birth: str | None = "1970-05-01", family: str | None = "Muster", sex: str | None = "female") -> Any:
    stated = {"birthDate": birth, "gender": sex, "name": [{"family": family}] if family else None}
    return {name: value for name, value in stated.items() if value}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (patient(), False),
        (patient(birth="1980-01-01", family="Other", sex="male"), True),
        (patient(birth="1980-01-01", family="Other"), True),
        (patient(birth="1980-01-01", sex="male"), True),
        (patient(birth="1980-01-01"), False),
        (patient(family="Other", sex="male"), False),
        (patient(birth=None, family="Other", sex="male"), False),
        (patient(birth="1980-01-01", family=None, sex=None), False),
        (patient(birth="1980-01-01", family=None, sex="unknown"), False),
        (patient(birth="1970", family="Other"), False),
        (patient(birth="1970-05", family="Other"), False),
        (patient(birth="1970-06", family="Other"), True),
        (patient(birth="1971", family="Other"), True),
        ({}, False),
    ],
)
def test_another_birth_date_and_another_name_or_sex(other: Any, expected: bool) -> None:
    assert is_mismatch(patient(), other) is expected
    assert is_mismatch(other, patient()) is expected


def spelling_differs(first: str, second: str) -> bool:
    return is_mismatch(patient(family=first), patient(birth="1980-01-01", family=second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("MUSTER", "muster"),
        ("Müller", "MUELLER"),
        ("Müller", "Muller"),
        ("Mu\u0308ller", "Müller"),
        ("Groß", "GROSS"),
        ("Sørensen", "Sorensen"),
        ("Sørensen", "Soerensen"),
        ("Łukasz", "Lukasz"),
        ("Ångström", "Angstrom"),
        ("García López", "GARCIA-LOPEZ"),
        ("O'Brien", "OBRIEN"),
        ("ヤマダ", "やまだ"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("Ｙａｍａｄａ", "YAMADA"),
    ],
)
def test_spellings_of_one_name(first: str, second: str) -> None:
    assert not spelling_differs(first, second)
    assert not spelling_differs(second, first)


@pytest.mark.parametrize(("first", "second"), [("Muller", "Miller"), ("山田", "山本"), ("Sato", "Saito")])
def test_different_names(first: str, second: str) -> None:
    assert spelling_differs(first, second)


@pytest.mark.parametrize("family", ["YAMADA", "山田", "ヤマダ"])
def test_any_group_of_a_name_may_be_the_one_that_is_known(family: str) -> None:
    name = PersonName("Yamada^Tarou", "山田^太郎", "やまだ^たろう")
    archive = {"birthDate": "1970-05-01", "name": human_names(name)}
    assert not is_mismatch(archive, patient(birth="1980-01-01", family=family))
    assert is_mismatch(archive, patient(birth="1980-01-01", family="Suzuki"))


def test_a_former_name_is_a_name() -> None:
    names = [{"family": "Neu"}, {"use": "old", "family": "Muster"}]
    assert not is_mismatch(patient(), {"birthDate": "1980-01-01", "name": names})


@pytest.mark.parametrize("odd", [{"name": ["x"]}, {"name": [{"family": 7}]}, {"birthDate": 7}, {"name": None}])
def test_what_is_no_fhir_is_not_stated(odd: Any) -> None:
    assert not is_mismatch(patient(sex=None), odd | {"gender": "male"})


@given(PATIENTS, PATIENTS)
def test_neither_side_counts_more(first: Any, second: Any) -> None:
    assert is_mismatch(first, second) == is_mismatch(second, first)
    assert not is_mismatch(first, first)
