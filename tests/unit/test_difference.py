"""In what a held ImagingStudy differs from the expected one."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from indexer.difference import differences

Json = dict[str, Any]


def resource() -> Json:
    return {
        "resourceType": "ImagingStudy",
        "id": "ours",
        "status": "available",
        "started": "2024-01-01",
        "subject": {"reference": "Patient/p"},
        "endpoint": [{"reference": "Endpoint/e"}],
        "numberOfSeries": 2,
        "numberOfInstances": 3,
        "series": [
            {"uid": "1.1", "numberOfInstances": 2, "instance": [{"uid": "1.1.1"}, {"uid": "1.1.2"}]},
            {"uid": "1.2", "numberOfInstances": 1, "instance": [{"uid": "1.2.1"}]},
        ],
    }


def test_equal_resources_do_not_differ() -> None:
    assert differences(resource(), [resource()]) == ()


def test_what_others_added_is_no_difference() -> None:
    held = resource()
    held["meta"] = {"versionId": "7"}
    held["extension"] = [{"url": "http://example.org", "valueCode": "x"}]
    held["endpoint"].append({"reference": "Endpoint/of-others"})
    held["series"][0]["description"] = "theirs"
    assert differences(resource(), [held]) == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda one: one.update(numberOfSeries=3), "wrong numberOfSeries: 3 instead of 2"),
        (lambda one: one.update(numberOfInstances=9), "wrong numberOfInstances: 9 instead of 3"),
        (lambda one: one.pop("numberOfInstances"), "wrong numberOfInstances: None instead of 3"),
        (lambda one: one.update(status="cancelled"), "wrong status: cancelled instead of available"),
        (lambda one: one.update(started="2024-01-02"), "wrong started: 2024-01-02 instead of 2024-01-01"),
        (lambda one: one.update(subject={"reference": "Patient/other"}), "wrong subject"),
        (lambda one: one.pop("subject"), "wrong subject"),
        (lambda one: one.update(subject="Patient/p"), "wrong subject"),
        (lambda one: one.pop("endpoint"), "missing endpoint"),
        (lambda one: one.update(endpoint=[{"reference": "Endpoint/other"}]), "missing endpoint"),
        (lambda one: one["series"].pop(1), "missing series 1.2"),
        (lambda one: one["series"].append({"uid": "1.9"}), "extra series 1.9"),
        (lambda one: one["series"].append(copy.deepcopy(one["series"][0])), "doubled series 1.1"),
        (lambda one: one["series"][0].update(numberOfInstances=5), "wrong numberOfInstances of series 1.1"),
        (lambda one: one["series"][0]["instance"].pop(0), "missing instance 1.1.1"),
        (lambda one: one["series"][0]["instance"].append({"uid": "1.1.9"}), "extra instance 1.1.9"),
        (lambda one: one["series"][0]["instance"].append({"uid": "1.1.1"}), "doubled instance 1.1.1"),
    ],
)
def test_each_difference_is_named(change: Callable[[Json], object], expected: str) -> None:
    held = resource()
    change(held)
    assert differences(resource(), [held]) == (expected,)


def test_a_list_that_is_none_is_as_good_as_empty() -> None:
    held = resource()
    held["series"] = "broken"
    assert differences(resource(), [held]) == ("missing series 1.1", "missing series 1.2")


def test_a_study_that_nobody_holds_is_missing() -> None:
    assert differences(resource(), []) == ("missing study",)


def test_a_study_under_another_id_does_not_count() -> None:
    assert differences(resource(), [resource() | {"id": "theirs"}]) == ("missing study",)


def test_a_doubled_study_is_named_with_its_id() -> None:
    held = [resource(), resource() | {"id": "theirs"}]
    assert differences(resource(), held) == ("doubled study: also ImagingStudy/theirs",)


def test_differences_stand_in_the_order_of_the_series() -> None:
    held = resource()
    for one in held["series"]:
        one["instance"] = []
    assert differences(resource(), [held]) == (
        "missing instance 1.1.1",
        "missing instance 1.1.2",
        "missing instance 1.2.1",
    )
