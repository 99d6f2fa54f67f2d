"""Values of FHIR mean the same in any spelling, and never where they do not."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.equality import canonical, is_equal

SPAN = {"min_value": datetime(1900, 1, 1), "max_value": datetime(2100, 1, 1)}  # noqa: DTZ001 - zones are drawn
moments = st.datetimes(**SPAN, timezones=st.just(UTC))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def spelled(moment: datetime, zone: timezone, zeros: int) -> str:
    text = moment.astimezone(zone).isoformat()
    return f"{text[:-6]}{'' if '.' in text else '.'}{'0' * zeros}{text[-6:]}" if zeros else text


def both(one: Any, other: Any, name: str = "") -> bool:
    """Whether two values are equal, in whatever order and way they are asked for."""
    answers = {is_equal(one, other, name), is_equal(other, one, name), canonical(one, name) == canonical(other, name)}
    assert len(answers) == 1, (one, other)
    return answers.pop()


@given(moment=moments, zone=st.tuples(zones, zones), zeros=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_a_moment_is_the_same_in_every_zone(
    moment: datetime, zone: tuple[timezone, timezone], zeros: tuple[int, int]
) -> None:
    one, other = (spelled(moment, *how) for how in zip(zone, zeros, strict=True))
    for name in ("started", "start", "end", "time", "valueDateTime", "valueInstant"):
        assert both(one, other, name)
    assert both({"series": [{"uid": "1", "started": one}]}, {"series": [{"started": other, "uid": "1"}]})
    assert both("description" + one, "description" + other, "started") == (one == other)


@given(one=moments, other=moments, zone=zones)
def test_two_moments_are_never_one(one: datetime, other: datetime, zone: timezone) -> None:
    assert both(one.isoformat(), other.astimezone(zone).isoformat(), "started") == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2024-01-01", "2024-01-01T00:00:00Z"),
        ("2024-01", "2024-01-01"),
        ("2024-01-01T10:15Z", "2024-01-01T10:15:00Z"),
        ("2024-01-01T10:15:00", "2024-01-01T10:15:00Z"),
        ("2024-01-01T10:15:00.1234567Z", "2024-01-01T10:15:00.1234568Z"),
        ("2024-01-01T10:15:60Z", "2024-01-01T10:16:00Z"),
        ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"),
        ("10:15:00", "10:15:00.0"),
    ],
)
def test_what_is_less_precise_or_no_moment_is_another_value(one: str, other: str) -> None:
    assert not both(one, other, "started")
    assert both(one, one, "started")


def test_a_text_that_looks_like_a_moment_is_a_text() -> None:
    assert not both("2024-01-01T10:15:00+01:00", "2024-01-01T09:15:00Z", "description")
    assert both("2024-01-01T10:15:00+01:00", "2024-01-01T09:15:00Z", "started")


@given(number=st.integers(-(2**51), 2**51))
def test_decimals_are_equal_by_their_value(number: int) -> None:
    assert both({"value": number}, {"value": float(number)})
    assert not both({"value": number}, {"value": float(number) + 0.5})


leaves = st.sampled_from(["a", "b"]) | st.integers(0, 2)
nodes = st.recursive(
    st.fixed_dictionaries({}, optional={"uid": st.sampled_from("ab"), "value": leaves}),
    lambda inner: st.fixed_dictionaries({}, optional={"coding": st.lists(inner, max_size=2), "value": leaves}),
    max_leaves=4,
)
sets = st.sampled_from(["identifier", "series", "instance", "coding", "modality", "basedOn", "extension"])


@given(
    name=sets, elements=st.lists(nodes, max_size=4).flatmap(lambda one: st.tuples(st.just(one), st.permutations(one)))
)
def test_a_set_is_the_same_in_any_order(name: str, elements: tuple[list[Any], list[Any]]) -> None:
    one, other = ({name: part} for part in elements)
    uids = [element.get("uid") for element in elements[0]]
    if len(set(uids) - {None}) == len(uids) - uids.count(None):
        assert both(one, other)


@given(name=sets, one=st.lists(nodes, max_size=3), other=st.lists(nodes, max_size=3))
def test_sets_of_other_elements_differ(name: str, one: list[Any], other: list[Any]) -> None:
    def counted(elements: list[Any]) -> list[bytes]:
        return sorted(canonical(element) for element in elements)

    assert (canonical(one, name) == canonical(other, name)) == (counted(one) == counted(other))
    if is_equal(one, other, name):
        assert counted(one) == counted(other)


@pytest.mark.parametrize("name", ["given", "endpoint", "line", "name", "note", "profile"])
def test_an_order_that_means_something_counts(name: str) -> None:
    assert not both({name: ["a", "b"]}, {name: ["b", "a"]})


def test_what_is_nested_too_deeply_is_equal_to_itself_alone() -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    other = [deep]
    assert canonical(deep) == canonical(deep) != canonical(other)
    assert is_equal({"extension": [deep, 1]}, {"extension": [1, deep]})
    assert not is_equal({"extension": [deep, 1]}, {"extension": [1, other]})
