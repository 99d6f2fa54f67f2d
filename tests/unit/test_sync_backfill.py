"""Backfill: which studies, resumed where it was cut short."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from indexer.errors import Unavailable
from indexer.model import Lane
from indexer.sync.changes import backfill
from indexer.sync.changes.backfill import Backfill, Seen, Selection, select
from tests.fakes.attributes import from_keywords
from tests.fakes.memory import MemorySource, study

if TYPE_CHECKING:
    from indexer.model import BackfillRun
    from tests.unit.world import World

ALL = Selection(sources=("main",))
DOWN = Unavailable("down", peer="orthanc")


def chosen(world: World, selection: Selection, seen: Seen | None = None) -> list[str]:
    chunks = select(world.source, selection, seen or Seen())
    return [location.study_instance_uid for _, locations in chunks for location in locations]


def run_of(world: World, selection: Selection = ALL, rate: float | None = None) -> BackfillRun:
    return world.ledger.backfill_begin(selection.digest, world.clock(), rate)


def backfill_of(world: World, selection: Selection = ALL, *more: MemorySource) -> Backfill:
    sources = [world.source, *more]
    feeds = {source.name: source for source in sources}
    return Backfill(ledger=world.ledger, sources=sources, feeds=feeds, selection=selection, clock=world.clock)


@pytest.fixture
def archive(world: World) -> World:
    """Studies of several dates and modalities, two without a date."""
    world.source.put(study("1.2.1", StudyDate="20200101"))
    world.source.put(study("1.2.2", StudyDate="20210630"))
    world.source.put(study("1.2.3", StudyDate="2022.03.04"))
    world.source.put(study("1.2.4", StudyDate=""))
    world.source.put(study("1.2.5", StudyDate="someday"))
    of_mr = study("1.2.6", StudyDate="20210701", series=2)
    series = replace(of_mr.series[0], attributes=from_keywords({"Modality": "MR"}))
    world.source.put(replace(of_mr, series=(series, of_mr.series[1])))
    return world


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


def test_a_study_that_goes_meanwhile_is_left_out(archive: World) -> None:
    archive.source.script.next("list", lambda: archive.source.remove("orthanc-1.2.1"))
    assert chosen(archive, replace(ALL, since="19000101")) == ["1.2.2", "1.2.3", "1.2.6"]


def test_attributes_that_are_missing_count_as_no_date(archive: World) -> None:
    archive.source.script.next("study_attributes", lambda: archive.source.remove("orthanc-1.2.1"))
    seen = Seen()
    assert chosen(archive, replace(ALL, since="19000101"), seen) == ["1.2.2", "1.2.3", "1.2.6"]
    assert seen.undated == 3


def test_only_a_like_call_has_the_same_digest() -> None:
    digests = {
        ALL.digest,
        replace(ALL, force=True).digest,
        replace(ALL, since="20200101").digest,
        replace(ALL, modalities=("CT",)).digest,
        replace(ALL, sources=("main", "second")).digest,
    }
    assert len(digests) == 5
    assert Selection(sources=("main",)).digest == ALL.digest


def test_everything_is_marked_behind_live_changes(archive: World) -> None:
    run = backfill_of(archive).mark(run_of(archive), Seen())
    assert run.is_marked
    assert run.marked == 6
    assert archive.ledger.backfill_progress(run).remaining == 6
    tasks = archive.take()
    assert {(task.lane, task.reason, task.force) for task in tasks} == {(Lane.BACKFILL, "backfill", False)}


def test_force_reaches_the_tasks(archive: World) -> None:
    selection = replace(ALL, force=True)
    backfill_of(archive, selection).mark(run_of(archive, selection), Seen())
    assert all(task.force for task in archive.take())


def test_it_resumes_by_its_cursor(archive: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "CHUNK", 2)
    archive.source.script.next("list", *[None] * 4, DOWN)
    with pytest.raises(Unavailable):
        backfill_of(archive).mark(run_of(archive), Seen())
    run = run_of(archive)
    assert (run.cursor, run.marked, run.is_marked) == ("main/orthanc-1.2.4", 4, False)
    archive.source.script.calls.clear()
    run = backfill_of(archive).mark(run, Seen())
    assert (run.marked, run.is_marked) == (6, True)
    assert archive.source.script.calls["list"] == 2
    assert backfill_of(archive).mark(run, Seen()) == run
    assert archive.source.script.calls["list"] == 2


def test_a_stop_ends_the_marking_at_the_next_chunk(archive: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "CHUNK", 2)
    stopped = replace(backfill_of(archive), is_stopped=lambda: True).mark(run_of(archive), Seen())
    assert (stopped.is_marked, stopped.marked) == (False, 2)
    resumed = backfill_of(archive).mark(run_of(archive), Seen())
    assert resumed.is_marked
    assert resumed.marked == len(archive.source.studies)


def test_it_resumes_in_the_source_where_it_was(archive: World) -> None:
    second = MemorySource(archive.clock, "second")
    second.put(study("1.3.1"))
    second.put(study("1.3.2"))
    selection = replace(ALL, sources=("main", "second"))
    second.script.next("list_locations", DOWN)
    with pytest.raises(Unavailable):
        backfill_of(archive, selection, second).mark(run_of(archive, selection), Seen())
    archive.source.script.calls.clear()
    run = backfill_of(archive, selection, second).mark(run_of(archive, selection), Seen())
    assert (run.marked, run.cursor) == (8, "second/orthanc-1.3.2")
    assert archive.source.script.calls["list"] == 0


def test_only_the_selected_sources_are_marked(archive: World) -> None:
    second = MemorySource(archive.clock, "second")
    second.put(study("1.3.1"))
    assert backfill_of(archive, ALL, second).mark(run_of(archive), Seen()).marked == 6


# --- the daemon after it --------------------------------------------------------------------------------------------


def test_the_daemon_follows_from_a_whole_backfill(archive: World) -> None:
    """From where the feed was before it, and further back by what may become visible late."""
    end = archive.source.end(has_overlap=True)
    archive.source.script.next("list_locations", lambda: archive.source.put(study("1.2.9")))
    backfill_of(archive).mark(run_of(archive), Seen())
    assert archive.ledger.position("main") == end


def test_a_source_without_a_feed_has_no_position(archive: World) -> None:
    run = replace(backfill_of(archive), feeds={}).mark(run_of(archive), Seen())
    assert (run.is_marked, run.marked) == (True, 6)
    assert archive.ledger.position("main") is None


@pytest.mark.parametrize(
    "options", [{"since": "20200101"}, {"modalities": ("CT",)}, {"study_instance_uids": ("1.2.1",)}]
)
def test_a_part_says_nothing_of_the_feed(archive: World, options: dict[str, object]) -> None:
    selection = replace(ALL, **options)
    backfill_of(archive, selection).mark(run_of(archive, selection), Seen())
    assert archive.ledger.position("main") is None


def test_a_position_that_is_known_stays(archive: World) -> None:
    archive.poller.poll()
    before = archive.ledger.position("main")
    archive.source.put(study("1.2.9"))
    backfill_of(archive).mark(run_of(archive), Seen())
    assert archive.ledger.position("main") == before


def test_a_daemon_that_began_meanwhile_keeps_its_position(archive: World) -> None:
    archive.source.script.next("list_locations", archive.poller.poll)
    backfill_of(archive).mark(run_of(archive), Seen())
    assert archive.ledger.position("main") == archive.source.end()


@pytest.fixture
def cut_short(archive: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A backfill was killed after its first studies."""
    monkeypatch.setattr(backfill, "CHUNK", 2)
    archive.source.script.next("list", None, None, DOWN)
    with pytest.raises(Unavailable):
        backfill_of(archive).mark(run_of(archive), Seen())
    return archive


def test_a_backfill_that_was_cut_short_does_not_hide_the_rest_from_the_daemon(cut_short: World) -> None:
    """It is never called again: the daemon reads the feed from its start and finds every study."""
    cut_short.poller.poll()
    assert len(cut_short.take()) == 6


def test_what_changed_between_two_calls_is_not_hidden_from_the_daemon(cut_short: World) -> None:
    cut_short.drain()
    cut_short.source.put(study("1.2.1", instances=5))
    backfill_of(cut_short).mark(run_of(cut_short), Seen())
    cut_short.drain()
    cut_short.poller.poll()
    cut_short.drain()
    assert cut_short.target.imaging_study("1.2.1")["numberOfInstances"] == 5
