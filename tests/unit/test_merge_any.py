"""Whatever three versions hold: what others wrote survives, ours converges, and a second merge changes nothing."""

import copy
from typing import Any

import orjson
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from indexer.equality import is_equal
from indexer.errors import StudyInvalid
from indexer.merge import Conflict, Merged, merge, pack, unpack
from indexer.merge.matching import keys_in_lists
from indexer.merge.three_way import COUNTS
from tests.unit.merge_versions import KEYS, LOOSE, SANE, strange, versions

Elements = dict[str, Any]
Versions = tuple[Elements, Elements, Elements]

POLICIES = st.sampled_from([Conflict.OURS, Conflict.THEIRS])
AT_LENGTH = settings(
    max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def merged(before: Elements | None, ours: Elements, theirs: Elements, conflict: Conflict) -> Merged:
    """A merge that leaves what it was given alone, and after which a second one changes nothing."""
    kept = copy.deepcopy((before, ours, theirs))
    found = merge(before, ours, theirs, conflict)
    assert (before, ours, theirs) == kept
    for remembered in (ours, unpack(pack(orjson.dumps(ours))), None if before is None else ours):
        again = merge(remembered, ours, found.resource, conflict)
        assert again == Merged(found.resource, is_changed=False, is_shared=found.is_shared)
    if before is None:
        assert merge(None, ours, theirs, Conflict.QUARANTINE) == merge(None, ours, theirs, Conflict.OURS)
        assert not merge(None, ours, found.resource, conflict).is_changed
    return found


# --- what must come out, said once more -------------------------------------------------------------------------------


def expected_single(before: Any, ours: Any, theirs: Any, conflict: Conflict) -> Any:
    if before == theirs:
        return ours
    if before == ours:
        return theirs
    return ours if conflict is Conflict.OURS else theirs


def by_key(name: str, elements: list[Any] | None) -> dict[str, Any]:
    return {KEYS[name](one): one for one in elements or []}


def check(three: Versions, found: Elements, conflict: Conflict, *, is_changed: bool) -> None:
    """Hold the result to the rules, element by element; where nothing is written the order is that of the server."""
    before, ours, theirs = three
    assert found.keys() <= ours.keys() | theirs.keys()
    for name in before.keys() | ours.keys() | theirs.keys():
        was, mine, held, result = (one.get(name) for one in (*three, found))
        if name in KEYS and list in map(type, (was, mine, held)):
            check_list(name, (was, mine, held), result, conflict, is_changed=is_changed)
        elif name in COUNTS:
            assert result == (held if was is None and mine is None else mine)
        elif name.startswith("_") or name in ("meta", "actor"):
            check((was or {}, mine or {}, held or {}), result or {}, conflict, is_changed=is_changed)
        else:
            assert result == expected_single(was, mine, held, conflict)


def check_list(name: str, three: tuple[Any, Any, Any], result: Any, conflict: Conflict, *, is_changed: bool) -> None:
    was, mine, held = (by_key(name, one) for one in three)
    found = by_key(name, result)
    foreign = held.keys() - was.keys() - mine.keys()
    assert found.keys() == mine.keys() | foreign
    assert len(found) == len(result or [])
    assert all(found[key] == held[key] for key in foreign)
    for key in mine:
        if key not in held:
            assert found[key] == mine[key]
        elif isinstance(mine[key], dict):
            check((was.get(key, {}), mine[key], held[key]), found[key], conflict, is_changed=is_changed)
    if is_changed:
        check_order(name, three, list(found))
    else:
        assert list(found) == list(held)


def check_order(name: str, three: tuple[Any, Any, Any], found: list[str]) -> None:
    was, mine, held = (list(by_key(name, one)) for one in three)
    if is_equal(three[0], three[2], name):
        assert found == mine
    elif name in ("series", "instance"):
        assert [key for key in found if key in mine] == mine
    elif name == "endpoint" and held and held[0] in was and held[0] not in mine:
        assert found[:1] == mine[:1] or not mine
    else:
        there = [key for key in held if key in found]
        assert found == there + [key for key in mine if key not in held]


@AT_LENGTH
@given(three=versions(SANE, 3), conflict=POLICIES)
def test_every_element_follows_its_rule(three: Versions, conflict: Conflict) -> None:
    before, ours, theirs = three
    found = merged(before, ours, theirs, conflict)
    check((before, ours, theirs), found.resource, conflict, is_changed=found.is_changed)
    outcomes = [merge(before, ours, theirs, policy) for policy in (Conflict.OURS, Conflict.THEIRS)]
    try:
        assert merge(before, ours, theirs, Conflict.QUARANTINE) == found
        assert outcomes == [found, found]
    except StudyInvalid:
        assert outcomes[0] != outcomes[1]


@settings(AT_LENGTH, max_examples=400)
@given(three=versions(SANE, 3), conflict=st.sampled_from(Conflict))
def test_without_memory_ours_holds_and_nothing_of_theirs_goes(three: Versions, conflict: Conflict) -> None:
    _, ours, theirs = three
    found = merged(None, ours, theirs, conflict)
    check(({}, ours, theirs), found.resource, Conflict.OURS, is_changed=found.is_changed)


@settings(AT_LENGTH, max_examples=300)
@given(three=versions(SANE, 3))
def test_where_nobody_else_wrote_the_result_is_ours(three: Versions) -> None:
    before, ours, _ = three
    theirs = copy.deepcopy(before)
    theirs["meta"] = {**theirs.get("meta", {}), "versionId": "7", "lastUpdated": "2024-01-01T00:00:00Z"}
    found = merged(before, ours, theirs, Conflict.QUARANTINE)
    is_changed = not is_equal(before, ours)
    assert (found.resource, found.is_changed) == (ours if is_changed else theirs, is_changed)


# --- versions that no sane writer makes -------------------------------------------------------------------------------


def once(node: Any, name: str = "") -> Any:
    """A version as we write it: no two elements of a list that share a key, no element without any content."""
    if isinstance(node, dict):
        return {key: once(value, key) for key, value in node.items() if value not in ({}, [])}
    if not isinstance(node, list) or name.startswith("_"):
        return node
    kept, seen = [], set()
    elements = [one for one in (once(one) for one in node) if one]
    for element, keys in zip(elements, keys_in_lists(name, [elements])[0], strict=True):
        if seen.isdisjoint(keys):
            kept.append(element)
        seen.update(keys)
    return kept


@AT_LENGTH
@given(three=versions(LOOSE, 2), conflict=POLICIES)
def test_elements_that_are_alike_or_stand_twice_are_settled_by_one_merge(three: Versions, conflict: Conflict) -> None:
    before, ours, theirs = three
    merged(once(before), once(ours), theirs, conflict)
    merged(None, once(ours), theirs, conflict)


@settings(AT_LENGTH, max_examples=500)
@given(before=strange, ours=strange, theirs=strange, conflict=POLICIES)
@example(before={}, ours={"extension": [None]}, theirs={"extension": [{}]}, conflict=Conflict.OURS)
@example(before={}, ours={"extension": [{}]}, theirs={"extension": [None]}, conflict=Conflict.OURS)
def test_strange_json_ends_in_a_merge(before: Elements, ours: Elements, theirs: Elements, conflict: Conflict) -> None:
    kept = copy.deepcopy((before, ours, theirs))
    found = merge(before, ours, theirs, conflict)
    assert (before, ours, theirs) == kept
    assert found.is_changed or found.resource is theirs
