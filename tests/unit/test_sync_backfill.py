"""Backfill: which studies, resumed where it was cut short."""

from dataclasses import replace
from typing import Any

import pytest

from indexer.errors import Unavailable
from indexer.model import BackfillRun, Lane
from indexer.sync.changes import backfill
from indexer.sync.changes.backfill import Backfill, Seen, Selection, select
from tests.fakes.attributes import from_keywords
from tests.fakes.memory import MemorySource, study
from tests.unit.world import DOWN, World

ALL = Selection(sources=("main",))
BOTH = replace(ALL, sources=("main", "second"))


def chosen(world: World, selection: Selection, seen: Seen | None = None) -> list[str]:
    chunks = select(world.source, selection, seen or Seen())
    return [location.study_instance_uid for _, locations in chunks for location in locations]


def marked(world: World, selection: Selection = ALL, *more: MemorySource, **parts: Any) -> BackfillRun:
    """The run of a selection, marked as far as it goes."""
    sources = [world.source, *more]
    parts = {"sources": sources, "feeds": {source.name: source for source in sources}, **parts}
    run = world.ledger.backfill_begin(selection.digest, world.clock(), None)
    return world.part(Backfill, selection=selection, **parts).mark(run, Seen())


@pytest.fixture
def archive(world: World) -> World:
    """Studies of several dates and modalities, two without a date."""
    dates = ["20200101", "20210630", "2022.03.04", "", "someday"]
    for number, date in enumerate(dates, start=1):
        world.source.put(study(f"1.2.{number}", StudyDate=date))
    of_mr = study("1.2.6", StudyDate="20210701", series=2)
    series = replace(of_mr.series[0], attributes=from_keywords({"Modality": "MR"}))
    world.source.put(replace(of_mr, series=(series, of_mr.series[1])))
    return world


@pytest.fixture
def second(archive: World) -> MemorySource:
    """Another source with two studies."""
    source = MemorySource(archive.clock, "second")
    for uid in ("1.3.1", "1.3.2"):
        source.put(study(uid))
    return source


@pytest.fixture
def in_chunks(archive: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The archive is marked two studies at a time."""
    monkeypatch.setattr(backfill, "CHUNK", 2)
    return archive


@pytest.mark.parametrize(
    ("options", "expected", "undated"),
    [
        ({}, ["1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5", "1.2.6"], 0),
        ({"since": "20210630"}, ["1.2.2", "1.2.3", "1.2.6"], 2),
        ({"until": "20210630"}, ["1.2.1", "1.2.2"], 2),
        ({"since": "20210630", "until": "20210701"}, ["1.2.2", "1.2.6"], 2),
        ({"modalities": ("MR",)}, ["1.2.6"], 0),
        ({"modalities": ("CT", "MR"), "until": "20201231"}, ["1.2.1"], 2),
        ({"study_instance_uids": ("1.2.5", "1.2.1", "9.9")}, ["1.2.1", "1.2.5"], 0),
        ({"study_instance_uids": ("1.2.5",), "since": "20200101"}, [], 1),
        ({"modalities": ("US",)}, [], 0),
    ],
)
def test_a_selection_lets_through_what_it_says(
    archive: World, options: dict[str, object], expected: list[str], undated: int
) -> None:
    seen = Seen()
    assert chosen(archive, replace(ALL, **options), seen) == expected
    assert seen.undated == undated


def test_named_studies_are_looked_up_without_listing_the_archive(archive: World) -> None:
    archive.source.script.always("list_locations", AssertionError("the archive was listed"))
    assert chosen(archive, replace(ALL, study_instance_uids=("1.2.5",))) == ["1.2.5"]


@pytest.mark.parametrize(("step", "undated"), [("list", 2), ("study_attributes", 3)])
def test_a_study_that_goes_meanwhile_is_left_out_or_has_no_date(archive: World, step: str, undated: int) -> None:
    archive.source.script.next(step, lambda: archive.source.remove("orthanc-1.2.1"))
    seen = Seen()
    assert chosen(archive, replace(ALL, since="19000101"), seen) == ["1.2.2", "1.2.3", "1.2.6"]
    assert seen.undated == undated


def test_only_a_like_call_has_the_same_digest() -> None:
    others = [{"force": True}, {"since": "20200101"}, {"modalities": ("CT",)}, {"sources": BOTH.sources}]
    assert len({ALL.digest, *(replace(ALL, **options).digest for options in others)}) == 5
    assert Selection(sources=("main",)).digest == ALL.digest


@pytest.mark.parametrize("force", [False, True])
def test_everything_is_marked_behind_live_changes(archive: World, force: bool) -> None:
    run = marked(archive, replace(ALL, force=force))
    assert (run.is_marked, run.marked) == (True, 6)
    assert archive.ledger.backfill_progress(run).remaining == 6
    assert {(task.lane, task.reason, task.force) for task in archive.take()} == {(Lane.BACKFILL, "backfill", force)}


def test_it_resumes_by_its_cursor(in_chunks: World) -> None:
    in_chunks.source.script.next("list", *[None] * 4, DOWN)
    with pytest.raises(Unavailable):
        marked(in_chunks)
    run = in_chunks.ledger.backfill_begin(ALL.digest, in_chunks.clock(), None)
    assert (run.cursor, run.marked, run.is_marked) == ("main/orthanc-1.2.4", 4, False)
    in_chunks.source.script.calls.clear()
    run = marked(in_chunks)
    assert (run.marked, run.is_marked) == (6, True)
    assert in_chunks.source.script.calls["list"] == 2
    assert marked(in_chunks) == run
    assert in_chunks.source.script.calls["list"] == 2


def test_a_stop_ends_the_marking_at_the_next_chunk(in_chunks: World) -> None:
    stopped = marked(in_chunks, is_stopped=lambda: True)
    assert (stopped.is_marked, stopped.marked) == (False, 2)
    resumed = marked(in_chunks)
    assert (resumed.is_marked, resumed.marked) == (True, len(in_chunks.source.studies))


def test_it_resumes_in_the_source_where_it_was(archive: World, second: MemorySource) -> None:
    second.script.next("list_locations", DOWN)
    with pytest.raises(Unavailable):
        marked(archive, BOTH, second)
    archive.source.script.calls.clear()
    run = marked(archive, BOTH, second)
    assert (run.marked, run.cursor) == (8, "second/orthanc-1.3.2")
    assert archive.source.script.calls["list"] == 0


def test_only_the_selected_sources_are_marked(archive: World, second: MemorySource) -> None:
    assert marked(archive, ALL, second).marked == 6


def test_the_daemon_follows_from_a_whole_backfill(archive: World) -> None:
    """From where the feed was before it, and further back by what may become visible late."""
    end = archive.source.end(has_overlap=True)
    archive.source.script.next("list_locations", lambda: archive.source.put(study("1.2.9")))
    marked(archive)
    assert archive.ledger.position("main") == end


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({}, {"feeds": {}}),
        ({"since": "20200101"}, {}),
        ({"modalities": ("CT",)}, {}),
        ({"study_instance_uids": ("1.2.1",)}, {}),
    ],
)
def test_a_part_and_a_source_without_a_feed_say_nothing_of_the_position(
    archive: World, options: dict[str, Any], parts: dict[str, Any]
) -> None:
    run = marked(archive, replace(ALL, **options), **parts)
    assert (run.is_marked, run.marked > 0) == (True, True)
    assert archive.ledger.position("main") is None


@pytest.mark.parametrize("is_known", [True, False])
def test_a_position_that_is_known_or_that_a_daemon_reached_meanwhile_stays(archive: World, is_known: bool) -> None:
    if is_known:
        archive.poll()
    else:
        archive.source.script.next("list_locations", archive.poll)
    end = archive.source.end()
    archive.source.script.next("list", lambda: archive.source.put(study("1.2.9")))
    marked(archive)
    assert archive.ledger.position("main") == end


@pytest.fixture
def killed(in_chunks: World) -> World:
    """A backfill was killed after its first studies."""
    in_chunks.source.script.next("list", None, None, DOWN)
    with pytest.raises(Unavailable):
        marked(in_chunks)
    return in_chunks


def test_a_backfill_that_was_cut_short_does_not_hide_the_rest_from_the_daemon(killed: World) -> None:
    """It is never called again: the daemon reads the feed from its start and finds every study."""
    killed.poll()
    assert len(killed.take()) == 6


def test_the_daemon_follows_a_resumed_backfill_from_where_the_first_call_began(in_chunks: World) -> None:
    end = in_chunks.source.end(has_overlap=True)
    in_chunks.source.script.next("list", None, None, DOWN)
    with pytest.raises(Unavailable):
        marked(in_chunks)
    in_chunks.source.put(study("1.2.1", instances=5))
    in_chunks.source.put(study("1.2.0"))
    marked(in_chunks)
    assert in_chunks.ledger.position("main") == end
    in_chunks.drain()
    in_chunks.poll()
    assert sorted(task.study_instance_uid for task in in_chunks.take()) == ["1.2.0", "1.2.1"]


def test_an_idle_archive_is_read_once_by_a_backfill_and_the_daemon_after_it(archive: World) -> None:
    marked(archive)
    archive.drain()
    assert archive.poll() == 0
    assert archive.take() == ()


def test_what_changed_between_two_calls_is_not_hidden_from_the_daemon(killed: World) -> None:
    killed.drain()
    killed.source.put(study("1.2.1", instances=5))
    marked(killed)
    killed.drain()
    killed.poll()
    killed.drain()
    assert killed.study("1.2.1")["numberOfInstances"] == 5
