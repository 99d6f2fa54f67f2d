"""Reading several studies at one go where Orthanc misbehaves as no real one does on demand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from indexer import errors
from indexer.model import StudyLocation
from indexer.orthanc import OrthancSource
from tests.fakes.orthanc import FakeOrthanc
from tests.samples import generate, store_rest
from tests.unit.orthanc_source import edited


@pytest.fixture
def locations(fake: FakeOrthanc, source: OrthancSource) -> list[StudyLocation]:
    store_rest(fake, [*generate(seed="a"), *generate(seed="b"), *generate(seed="c")])
    return list(source.list_locations())


@pytest.mark.parametrize("said", [None, {}, {"0020,1208": None}, {"0020,1208": "many"}])
def test_a_study_that_was_not_counted_is_left_for_later(
    said: object, fake: FakeOrthanc, source: OrthancSource, locations: list[StudyLocation]
) -> None:
    fake.inject(edited(lambda found: found[0].update(RequestedTags=said)), path="/tools/find")

    assert len(source.read_batch(locations)) == 2


def test_nothing_more_is_asked_where_no_study_is_small(
    fake: FakeOrthanc, source: OrthancSource, locations: list[StudyLocation]
) -> None:
    fake.inject(edited(lambda found: [one.pop("RequestedTags") for one in found]), path="/tools/find")
    fake.requests.clear()

    assert source.read_batch(locations) == {}
    assert [path for _, path in fake.requests].count("/tools/find") == 1


@pytest.mark.parametrize("uid", ["*", "1.2.?", "1.2\\\\1.3", "", "1" * 65])
def test_what_is_no_uid_is_never_searched_for(uid: str, source: OrthancSource, locations: list[StudyLocation]) -> None:
    odd = replace(locations[0], study_instance_uid=uid)

    assert set(source.read_batch([odd, *locations[1:]])) == set(locations[1:])


def test_what_was_not_asked_for_is_left_out(
    fake: FakeOrthanc, source: OrthancSource, locations: list[StudyLocation]
) -> None:
    foreign = {"ID": "x", "MainDicomTags": {}, "Type": "Study", "Series": [], "RequestedTags": {"0020,1208": "0"}}
    fake.inject(edited(lambda found: found.insert(0, foreign)), path="/tools/find")

    assert set(source.read_batch(locations)) == set(locations)


@pytest.mark.parametrize(
    ("number", "edit"),
    [
        (0, lambda found: found[0].pop("ID")),
        (0, lambda found: found[0].pop("Series")),
        (1, lambda found: found[0].pop("ParentSeries")),
        (1, lambda found: found[0]["MainDicomTags"].pop("0008,0018")),
        (2, lambda found: found[0].pop("ParentStudy")),
        (2, lambda found: found[0].pop("Instances")),
        (2, lambda found: found[0].pop("Metadata")),
        (2, lambda found: found[0]["MainDicomTags"].pop("0020,000e")),
    ],
)
def test_studies_that_are_told_brokenly(
    number: int, edit: Callable[[Any], object], fake: FakeOrthanc, source: OrthancSource, locations: list[StudyLocation]
) -> None:
    fake.inject(lambda reply: reply, path="/tools/find", times=number)
    fake.inject(edited(edit), path="/tools/find")

    with pytest.raises(errors.ProtocolViolation):
        source.read_batch(locations)
