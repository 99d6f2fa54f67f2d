"""List elements are matched by their keys: who is who, what goes, what stays, and in which order."""

from itertools import permutations
from typing import Any

import pytest

from indexer.merge import Conflict, merge
from indexer.merge.matching import is_same, keys_in_lists, keys_of

Elements = dict[str, Any]

EXT = {"extension": [{"url": "https://example.org/note", "valueString": "theirs"}]}
CT = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
SR = {**CT, "code": "SR"}
LOCAL = {"system": "https://example.org/local", "code": "X"}
DEVICE, PERFORMER = ({"coding": [{**LOCAL, "code": code}]} for code in ("DEV", "PRF"))
A1 = {"identifier": {"system": "urn:oid:1.2", "value": "A1"}}
A2 = {"identifier": {"system": "urn:oid:1.2", "value": "A2"}}
ORDER_7, ORDER_8 = {"reference": "ServiceRequest/7"}, {"reference": "ServiceRequest/8"}
FIRST, SECOND, NEW = ({"reference": f"Endpoint/{name}"} for name in ("first", "second", "new"))
THEIRS = {"reference": "Endpoint/theirs"}


def merged(name: str, before: list[Any] | None, ours: list[Any], theirs: list[Any]) -> Any:
    """The merged list, after making sure that a second merge changes nothing."""
    was, mine, held = (study({name: one} if one else {}) for one in (before, ours, theirs))
    found = merge(None if before is None else was, mine, held, Conflict.OURS)
    assert not merge(mine, mine, found.resource, Conflict.QUARANTINE).is_changed
    return found.resource.get(name, [])


def study(elements: Elements) -> Elements:
    return {"resourceType": "ImagingStudy", **elements}


SAME = [
    # list, ours, the same in the server's resource, which others changed beyond its key
    ("identifier", {"system": "s", "value": "v"}, {"system": "s", "value": "v", "use": "old", **EXT}),
    ("identifier", {"value": "v"}, {"value": "v", "assigner": {"display": "RIS"}}),
    ("series", {"uid": "1.2"}, {"uid": "1.2", **EXT}),
    ("basedOn", ORDER_7, {**ORDER_7, "display": "CT of the chest"}),
    ("basedOn", A1, {**A1, "display": "CT of the chest"}),
    ("basedOn", A1, {**A1, **ORDER_7}),
    ("interpreter", {"display": "Muster"}, {"display": "Muster", "reference": "Practitioner/1"}),
    ("modality", CT, {**CT, "display": "Computed Tomography", "version": "2024e"}),
    ("modality", {"coding": [CT]}, {"coding": [CT, LOCAL], "text": "CT"}),
    ("modality", {"coding": [CT]}, {"coding": [LOCAL, CT]}),
    ("reasonCode", {"text": "Pain"}, {"text": "Pain", "coding": [LOCAL]}),
    ("reasonCode", {"coding": [{"display": "Pain"}]}, {"coding": [{"display": "Pain", "version": "1"}], **EXT}),
    ("procedure", {"concept": {"coding": [CT]}}, {"concept": {"coding": [CT]}, "reference": {"display": "P"}}),
    ("procedure", {"reference": ORDER_7}, {"reference": {**ORDER_7, **EXT}}),
    ("extension", {"url": "u", "valueString": "a"}, {"url": "u", "valueString": "a", **EXT}),
    ("extension", {"url": "u", "valueString": "a"}, {"url": "u", "valueString": "b"}),
    ("contained", {"resourceType": "Device", "id": "d"}, {"resourceType": "Device", "id": "d", "status": "active"}),
    ("performer", {"function": DEVICE, "actor": A1}, {"function": DEVICE, "actor": {**A1, "reference": "Device/1"}}),
    ("performer", {"actor": {"display": "X"}}, {"actor": {"display": "X", **EXT}}),
    ("note", {"text": "Comment"}, {"text": "Comment", **EXT}),
    ("note", {"text": "Comment", "time": "2024"}, {"text": "Comment", "time": "2024", "id": "n", **EXT}),
]

OTHERS = [
    # list, ours, another one in the server's resource
    ("identifier", {"system": "s", "value": "v"}, {"system": "t", "value": "v"}),
    ("identifier", {"system": "s", "value": "v"}, {"system": "s", "value": "w"}),
    ("identifier", {"system": "s", "value": "v"}, {"system": "s"}),
    ("series", {"uid": "1.2"}, {"uid": "1.20"}),
    ("series", {"uid": "1.2"}, {"number": 1}),
    ("basedOn", {**A1, **ORDER_7}, {**A1, **ORDER_8}),
    ("basedOn", A1, A2),
    ("basedOn", A1, ORDER_7),
    ("modality", CT, SR),
    ("modality", CT, {**CT, "system": "https://example.org/local"}),
    ("modality", CT, {"coding": [CT]}),
    ("modality", {"coding": [CT]}, {"coding": [SR]}),
    ("reasonCode", {"coding": [CT], "text": "Pain"}, {"coding": [SR], "text": "Pain"}),
    ("procedure", {"concept": {"text": "x"}}, {"reference": {"display": "x"}}),
    ("extension", {"url": "u", "valueString": "a"}, {"url": "v", "valueString": "a"}),
    ("contained", {"resourceType": "Device", "id": "d"}, {"resourceType": "Device", "id": "e"}),
    ("contained", {"resourceType": "Device", "id": "d"}, {"resourceType": "Patient", "id": "d"}),
    ("contained", {"resourceType": "Device", "id": "d"}, {"resourceType": "Device"}),
    ("performer", {"function": DEVICE, "actor": A1}, {"function": PERFORMER, "actor": A1}),
    ("performer", {"function": DEVICE, "actor": A1}, {"function": DEVICE, "actor": A2}),
    ("note", {"text": "Comment", "time": "2024"}, {"text": "Comment", "time": "2025"}),
    ("name", {"family": "A", "given": ["B"]}, {"family": "A", "given": ["C"]}),
    ("payloadMimeType", "application/dicom", "image/jpeg"),
]


@pytest.mark.parametrize(("name", "ours", "theirs"), SAME)
def test_the_same_element_is_merged_and_never_doubled(name: str, ours: Any, theirs: Any) -> None:
    assert merged(name, [ours], [ours], [theirs]) == [theirs]
    assert len(merged(name, None, [ours], [theirs])) == 1


@pytest.mark.parametrize(("name", "ours", "theirs"), OTHERS)
def test_another_element_stays_beside_ours(name: str, ours: Any, theirs: Any) -> None:
    for before in (None, [], [ours]):
        assert merged(name, before, [ours], [theirs]) == [theirs, ours]
        assert merged(name, before, [ours], [theirs, ours]) == [theirs, ours]
        assert merged(name, before, [ours], [ours, theirs]) == [ours, theirs]


@pytest.mark.parametrize(("name", "ours", "theirs"), OTHERS)
def test_what_we_hold_no_longer_goes_and_the_rest_stays(name: str, ours: Any, theirs: Any) -> None:
    assert merged(name, [ours], [], [theirs, ours]) == [theirs]
    assert merged(name, [ours], [], [ours]) == []
    assert merged(name, None, [], [theirs, ours]) == [theirs, ours]


@pytest.mark.parametrize(("name", "ours", "theirs"), [case for case in SAME if case[0] != "basedOn"])
def test_what_others_added_to_an_element_goes_with_it(name: str, ours: Any, theirs: Any) -> None:
    left = [{"reference": theirs["reference"]}] if isinstance(theirs.get("reference"), str) else []
    assert merged(name, [ours], [], [theirs]) == left


def test_a_literal_reference_that_others_gave_survives_our_logical_one() -> None:
    given = {**A1, **ORDER_8, "type": "ServiceRequest"}
    logical = {**A1, "type": "ServiceRequest"}
    assert merged("basedOn", [logical], [], [given]) == [ORDER_8]
    assert merged("basedOn", [logical], [A2], [given]) == [ORDER_8, A2]
    assert merged("basedOn", [logical], [{**logical, **ORDER_7}], [given]) == [ORDER_8, {**logical, **ORDER_7}]


def test_an_element_that_others_removed_comes_back() -> None:
    ours = [{"system": "urn:dicom:uid", "value": "u"}]
    theirs = [{"system": "urn:sparc_study:uid", "value": "s"}]
    assert merged("identifier", ours, ours, theirs) == theirs + ours


def test_a_stale_value_inside_an_element_goes() -> None:
    before, ours = {"uid": "1", "title": "a", "number": 1}, {"uid": "1", "number": 2}
    assert merged("series", [before], [ours], [{**before, **EXT}]) == [{**ours, **EXT}]


def test_extensions_of_one_url_are_matched_by_value() -> None:
    one, two, three = ({"url": "u", "valueString": value} for value in "abc")
    nested = {"url": "u", "extension": [one]}
    assert merged("extension", [one, two], [two], [one, two, three]) == [two, three]
    assert merged("extension", [one], [two], [three, one]) == [three, two]
    assert merged("extension", [nested, one], [one], [one, nested, "strange"]) == [one, "strange"]
    assert merged("extension", [one], [one], ["strange", "strange"]) == ["strange", "strange", one]


def test_like_elements_pair_by_occurrence() -> None:
    assert merged("identifier", [A1], [A1], [A1, {**A1, **EXT}]) == [A1, {**A1, **EXT}]
    assert merged("payloadMimeType", ["a"], [], ["a", "a", "b"]) == ["a", "b"]


def test_the_nearest_of_several_is_taken() -> None:
    coded, text = {"coding": [LOCAL], "text": "Pain"}, {"text": "Pain"}
    enriched = {"coding": [CT, LOCAL], "text": "Pain"}
    assert merged("reasonCode", None, [text, coded], [enriched]) == [enriched, text]
    assert merged("reasonCode", None, [coded, text], [text]) == [text, coded]


def test_arrays_of_primitives_stay_beside_their_elements() -> None:
    theirs = {"profile": ["a", None, "b"], "_profile": [None, {"id": "2"}, EXT]}
    expected = {"profile": [None, "b", "c"], "_profile": [{"id": "2"}, EXT, None]}
    found = _meta({"profile": ["a", "b"]}, {"profile": ["b", "c"]}, theirs)
    assert found == expected
    assert _meta({"profile": ["a"]}, {}, {"profile": ["a"], "_profile": [{"id": "2"}]}) is None
    assert _meta({}, {"profile": ["a"]}, {"_profile": [EXT]}) == {"profile": [None, "a"], "_profile": [EXT, None]}
    alone = _meta({"profile": ["a"]}, {"tag": [CT]}, {"profile": ["a"], "_profile": [None, EXT]})
    assert alone == {"_profile": [EXT], "tag": [CT]}


def _meta(before: Elements, ours: Elements, theirs: Elements) -> Any:
    return merge(*(study({"meta": one}) for one in (before, ours, theirs)), Conflict.OURS).resource.get("meta")


# --- order ------------------------------------------------------------------------------------------------------------


def uids(text: str) -> list[Elements]:
    return [{"uid": one} for one in text]


@pytest.mark.parametrize("name", ["series", "instance"])
@pytest.mark.parametrize(
    ("before", "ours", "theirs", "expected"),
    [
        ("ac", "abc", "ac", "abc"),
        ("ac", "abc", "xayczw", "xaybczw"),
        ("abc", "abc", "cxa", "abcx"),
        ("abc", "ac", "axbyc", "axyc"),
        ("a", "", "axa", "x"),
        ("ab", "bac", "abx", "bxac"),
        ("ab", "bac", "ab", "bac"),
    ],
)
def test_our_series_and_instances_stand_in_our_order(
    name: str, before: str, ours: str, theirs: str, expected: str
) -> None:
    found = merged(name, *(uids(one) for one in (before, ours, theirs)))
    assert "".join(one["uid"] for one in found) == expected


@pytest.mark.parametrize("name", ["series", "instance"])
def test_an_order_that_means_nothing_is_no_reason_to_write(name: str) -> None:
    for theirs in ("ab", "abx"):
        assert merged(name, uids("ab"), uids("ba"), uids(theirs)) == uids(theirs)


def test_series_under_one_uid_are_one() -> None:
    theirs = [
        {"uid": "1", "number": 5, **EXT},
        {"uid": "2"},
        {"uid": "1", "number": 6, "endpoint": [THEIRS]},
        *uids("2"),
    ]
    assert merged("series", uids("1"), uids("1"), [*theirs, *uids("2")]) == [
        {"uid": "1", "number": 5, **EXT, "endpoint": [THEIRS]},
        {"uid": "2"},
    ]


def test_other_lists_keep_their_order_and_new_ones_come_last() -> None:
    before, ours, theirs = ([{"system": "s", "value": one} for one in text] for text in ("abc", "dcba", "xcya"))
    assert [one["value"] for one in merged("identifier", before, ours, theirs)] == list("xcyadb")


@pytest.mark.parametrize(
    ("before", "ours", "theirs", "expected"),
    [
        ([FIRST], [FIRST], [FIRST, THEIRS], [FIRST, THEIRS]),
        ([FIRST], [NEW], [FIRST, THEIRS], [NEW, THEIRS]),
        ([FIRST, SECOND], [SECOND], [FIRST, THEIRS, SECOND], [SECOND, THEIRS]),
        ([FIRST], [NEW, SECOND], [FIRST, THEIRS], [NEW, THEIRS, SECOND]),
        ([FIRST], [NEW], [THEIRS, FIRST], [THEIRS, NEW]),
        ([FIRST], [FIRST], [THEIRS], [THEIRS, FIRST]),
        ([FIRST], [], [FIRST, THEIRS], [THEIRS]),
        ([SECOND], [FIRST, SECOND], [SECOND, THEIRS], [SECOND, THEIRS, FIRST]),
        (None, [NEW], [FIRST, THEIRS], [FIRST, THEIRS, NEW]),
    ],
)
def test_a_first_endpoint_of_ours_stays_first(
    before: list[Elements] | None, ours: list[Elements], theirs: list[Elements], expected: list[Elements]
) -> None:
    assert merged("endpoint", before, ours, theirs) == expected


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "element",
    [
        {"start": "2024"},
        {"value": 5, "unit": "mm"},
        {"family": "A"},
        {"system": "s"},
        {"use": "official"},
        {"coding": "strange"},
        {"coding": ["strange", {}]},
        {"reference": 5},
        {"reference": [], "concept": "strange"},
        {"identifier": "strange"},
        {},
        "text",
        5,
        None,
    ],
)
def test_what_has_no_identity_has_no_keys(element: Any) -> None:
    assert keys_of(element) == ()
    assert not is_same(keys_of(element), keys_of(element))


def test_strange_list_elements_are_told_apart_by_their_json() -> None:
    strange = [{"uid": 5}, {"uid": {"a": 1}}, 5, None, [1], {"id": "only"}, {"extension": [1]}]
    keys = keys_in_lists("series", [strange])[0]
    assert len(set(keys)) == len(strange)
    assert not any(is_same(one, other) for one, other in permutations(keys, 2))


def test_what_is_nested_too_deeply_for_a_key_is_the_same_as_nothing_else() -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    assert merged("note", [{"text": "ours"}], [{"text": "ours"}], [{"strange": deep}]) == [
        {"strange": deep},
        {"text": "ours"},
    ]
