"""A resource is gone only if Orthanc says so of it, and only while Orthanc itself answers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from indexer import errors
from indexer.model import FeedPage, FeedPosition
from indexer.orthanc import OrthancFeed, OrthancSource
from indexer.orthanc.position import Level
from tests.fakes.orthanc import FakeOrthanc, Reply
from tests.samples import delete, generate, store_rest
from tests.unit.orthanc_source import edited, only_copy

BULK = "/tools/bulk-content"
START = FeedPosition()


def none_of_all(found: list[Any]) -> None:
    found.clear()


def nulls(found: list[Any]) -> None:
    found[:] = [None] * len(found)


def without_the_last(found: list[Any]) -> None:
    found.pop()


def after(bulks: int, change: Callable[[Reply], Reply]) -> Callable[[Reply], Reply]:
    """Let the first answers pass."""
    left = [bulks]

    def changed(reply: Reply) -> Reply:
        left[0] -= 1
        return reply if left[0] >= 0 else change(reply)

    return changed


def read_feed(source: OrthancSource) -> list[FeedPage]:
    return list(OrthancFeed(source).pages(START, lambda: True))


def blanket_404(fake: FakeOrthanc, *, path: str = "") -> None:
    page = Reply(404, b"<html>Not Found</html>", "text/html")
    fake.inject(lambda _: page, path=path, times=1000)


@pytest.mark.parametrize("bulks", [0, 1], ids=["instances", "studies"])
@pytest.mark.parametrize("edit", [none_of_all, nulls, without_the_last])
def test_changes_of_what_an_answer_leaves_out_are_not_passed_over(
    edit: Callable[[Any], None], bulks: int, fake: FakeOrthanc, source: OrthancSource
) -> None:
    store_rest(fake, generate(studies=3, series=2, instances=2))
    fake.inject(after(bulks, edited(edit)), path=BULK, times=1000)

    with pytest.raises(errors.ProtocolViolation):
        read_feed(source)

    fake.heal()
    assert len({location for page in read_feed(source) for location in page.locations}) == 3


@pytest.mark.parametrize("edit", [none_of_all, nulls, without_the_last])
@pytest.mark.parametrize(
    "call",
    [
        lambda source, _: list(source.list_locations()),
        lambda source, ids: source.study_attributes(ids),
        lambda source, ids: source.modalities(ids),
    ],
    ids=["list_locations", "study_attributes", "modalities"],
)
def test_no_study_is_left_out_of_a_backfill_by_mistake(
    call: Callable[[OrthancSource, list[str]], object],
    edit: Callable[[Any], None],
    fake: FakeOrthanc,
    source: OrthancSource,
) -> None:
    store_rest(fake, generate(studies=3, series=2))
    ids = [location.location_id for location in source.list_locations()]
    fake.inject(edited(edit), path=BULK, times=1000)

    with pytest.raises(errors.ProtocolViolation):
        call(source, ids)


def test_a_study_that_an_answer_leaves_out_while_it_is_read_is_read_again(
    fake: FakeOrthanc, connect: Callable[..., OrthancSource]
) -> None:
    store_rest(fake, generate())
    fake.is_modern = False
    source = connect(fake.url)
    location = only_copy(source)
    fake.inject(edited(none_of_all), path=BULK, times=1000)

    with pytest.raises(errors.StudyChanging):
        source.read(location)


def test_what_was_deleted_since_its_page_was_read_is_asked_for_once_each(
    fake: FakeOrthanc, source: OrthancSource
) -> None:
    gone, stays = generate(studies=2, instances=40)[:40], generate(studies=2, instances=40)[40:]
    store_rest(fake, [*gone, *stays])
    resources = {change.orthanc_id: change.level for change in source.changes(0, 1000).changes if change.level}
    del_patients = {key: level for key, level in resources.items() if level is not Level.PATIENT}
    delete(fake, gone[0].StudyInstanceUID)
    fake.requests.clear()

    (location,) = source.locate(del_patients)

    assert location.study_instance_uid == stays[0].StudyInstanceUID
    assert len(fake.requests) == 2 + len(gone) + 2


# --- an archive, or its proxy, that answers 404 to everything -------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/studies"])
def test_a_404_of_everything_makes_no_study_vanish(path: str, fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    location = only_copy(source)
    blanket_404(fake, path=path)

    for ask in (lambda: source.read(location), lambda: source.holds(location.location_id)):
        with pytest.raises(errors.Unavailable) as raised:
            ask()
        assert raised.value.status is None

    fake.heal()
    assert source.read(location).number_of_instances == 1


def test_a_404_that_ends_before_it_is_confirmed_makes_no_study_vanish(fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    location = only_copy(source)
    fake.inject(lambda reply: replace(reply, status=404, body=b""), path="/studies/")

    with pytest.raises(errors.Unavailable):
        source.read(location)
    assert source.read(location).number_of_instances == 1


def test_a_study_that_was_deleted_has_vanished(fake: FakeOrthanc, source: OrthancSource) -> None:
    datasets = generate()
    store_rest(fake, datasets)
    location = only_copy(source)
    delete(fake, datasets[0].StudyInstanceUID)

    with pytest.raises(errors.StudyVanished):
        source.read(location)
    assert not source.holds(location.location_id)
