"""What follows from what was seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import schedule
from indexer.model import Change, ChangePage, FeedPosition, Lane, Level, StudyLocation

GRACE_S = 60.0
NOW = 1_700_000_000.0
DATE = "20231114T221320"
LONG_AGO = "20200101T000000"
RULE = schedule.SettlingRule(quiet_s=70, max_wait_s=900)


def change(
    seq: int,
    change_type: str = "NewInstance",
    level: Level | None = Level.INSTANCE,
    location_id: str = "i",
    date: str = DATE,
) -> Change:
    return Change(seq=seq, change_type=change_type, level=level, location_id=location_id, date=date)


def page(*seqs: int) -> ChangePage:
    return ChangePage(changes=tuple(map(change, seqs)), done=True, last=max(seqs, default=0))


def advanced(
    position: FeedPosition, *seqs: int, at: float = NOW, old: str = LONG_AGO, date: str = DATE
) -> FeedPosition:
    """The position after these rows were seen, if they are new."""
    rows = schedule.fresh(position, page(*seqs))
    return schedule.advance(position, [replace(row, date=date) for row in rows], at, grace_s=GRACE_S, old=old)


def test_rows_without_a_hole_are_certain_at_once() -> None:
    assert advanced(FeedPosition(low=4), 5, 6, 7).low == 7


def test_a_hole_holds_the_position_until_it_is_filled() -> None:
    held = advanced(FeedPosition(low=4), 6, 7)
    assert (held.low, dict(held.above)) == (4, {6: NOW, 7: NOW})
    filled = advanced(held, 5, 6, 7, at=NOW + 1)
    assert (filled.low, dict(filled.above)) == (7, {})


@pytest.mark.parametrize(("waited_s", "low"), [(GRACE_S - 0.001, 4), (GRACE_S, 7)])
def test_a_hole_is_given_up_only_after_the_grace(waited_s: float, low: int) -> None:
    held = advanced(FeedPosition(low=4), 6, 7)
    assert advanced(held, at=NOW + waited_s).low == low


def test_each_hole_has_its_own_grace() -> None:
    first = advanced(FeedPosition(low=0), 2)
    second = advanced(first, 2, 4, at=NOW + 30)
    assert advanced(second, at=NOW + GRACE_S).low == 2
    assert advanced(second, at=NOW + 30 + GRACE_S).low == 4


def test_a_clock_that_was_set_back_does_not_hold_a_hole_for_ever() -> None:
    held = advanced(FeedPosition(low=4), 6, at=NOW + 1e6)
    back = advanced(held, at=NOW)
    assert dict(back.above) == {6: NOW}
    assert advanced(back, at=NOW + GRACE_S).low == 6


def test_old_history_never_stalls() -> None:
    gaps = [seq for seq in range(1, 2000) if seq % 7]
    assert advanced(FeedPosition(), *gaps, old=DATE, date="20231114T221319").low == gaps[-1]


def test_a_young_hole_above_history_is_waited_for() -> None:
    rows = [change(2, date=LONG_AGO), change(5), change(6)]
    assert schedule.advance(FeedPosition(), rows, NOW, grace_s=GRACE_S, old=DATE).low == 2


@dataclass
class Feed:
    """Rows by Seq with the time of their commit; some Seqs never come."""

    committed_at: dict[int, float] = field(default_factory=dict)

    def visible(self, low: int, at: float) -> list[Change]:
        return [change(seq) for seq, when in sorted(self.committed_at.items()) if seq > low and when <= at]


@settings(max_examples=300)
@given(
    lateness=st.lists(st.one_of(st.none(), st.floats(0, GRACE_S - 0.01)), min_size=1, max_size=25),
    gaps=st.lists(st.floats(0, 40), min_size=25, max_size=25),
    polls=st.lists(st.floats(0.1, 90), min_size=1, max_size=60),
)
def test_no_row_that_is_late_within_the_grace_is_lost(
    lateness: list[float | None], gaps: list[float], polls: list[float]
) -> None:
    """Seqs are drawn in order, become visible up to a grace later or never, and are polled at any times."""
    feed, at = Feed(), NOW
    for seq, late in enumerate(lateness, start=1):
        at += gaps[seq - 1]
        if late is not None:
            feed.committed_at[seq] = at + late
    position, seen, now = FeedPosition(), set(), NOW
    for step in [*polls, 3000.0, GRACE_S, GRACE_S]:
        now += step
        rows = schedule.fresh(position, ChangePage(changes=tuple(feed.visible(position.low, now)), done=True, last=0))
        assert not {row.seq for row in rows} & seen, "a row was seen twice"
        seen |= {row.seq for row in rows}
        before = position
        position = schedule.advance(position, rows, now, grace_s=GRACE_S, old=LONG_AGO)
        assert position.low >= before.low
        unseen = set(range(1, position.low + 1)) - seen
        assert not [seq for seq in unseen if seq in feed.committed_at], "the position passed a row that still came"
    assert seen == feed.committed_at.keys()
    assert position.low == max(feed.committed_at, default=0)
    assert not position.above


@given(st.lists(st.integers(1, 200), unique=True, max_size=60), st.floats(0, 10_000))
def test_low_and_above_are_all_that_was_seen(seqs: list[int], passed_s: float) -> None:
    held = advanced(FeedPosition(), *sorted(seqs))
    later = advanced(held, at=NOW + passed_s)
    assert all(seq > later.low for seq in later.above)
    assert all(seq <= later.low or seq in later.above for seq in seqs)


def test_rows_that_were_seen_are_not_fresh() -> None:
    position = FeedPosition(low=4, above={6: NOW})
    assert [row.seq for row in schedule.fresh(position, page(4, 5, 6, 7))] == [5, 7]


def test_anchors_are_the_newest_rows_that_were_seen() -> None:
    position = FeedPosition()
    for first in range(1, 100, 5):
        position = advanced(position, *range(first, first + 5))
    assert len(position.anchors) == schedule.ANCHORS
    assert max(position.anchors) == 100
    assert position.anchors[100] == schedule.anchor(change(100))
    assert schedule.anchor(change(100)) != schedule.anchor(change(100, date="20231114T221321"))


@pytest.mark.parametrize(("date", "expected"), [("20231114T221421", True), ("20231114T221420", False), (DATE, False)])
def test_a_row_is_younger_when_it_was_logged_clearly_after_every_anchor(date: str, expected: bool) -> None:
    known = advanced(FeedPosition(), 1, 2)
    assert schedule.is_younger(change(1, date=date), known.anchors) is expected


def test_nothing_is_younger_than_no_anchors() -> None:
    assert not schedule.is_younger(change(1), {})


def test_anchors_outlive_a_poll_without_rows() -> None:
    known = advanced(FeedPosition(), 1, 2)
    assert advanced(known, at=NOW + 5).anchors == known.anchors


@pytest.mark.parametrize("noise", sorted(schedule.NOISE))
def test_noise_tells_nothing(noise: str) -> None:
    assert schedule.telling([change(1, noise, Level.STUDY)]) == ()


def test_only_levels_below_the_patient_tell() -> None:
    rows = [change(1, "NewPatient", Level.PATIENT), change(2, "Unheard", None), change(3, "NewStudy", Level.STUDY)]
    assert [row.seq for row in schedule.telling(rows)] == [3]


STUDY = StudyLocation("main", "s1", "1.2.3")
OTHER = StudyLocation("main", "s2", "1.2.4")


def test_one_mark_per_study_due_when_quiet() -> None:
    rows = [change(seq, location_id=f"i{seq}") for seq in range(1, 5)]
    (mark,) = schedule.marks(rows, [STUDY], RULE, is_history=False)
    assert (mark.location, mark.reason, mark.lane) == (STUDY, "changes", Lane.LIVE)
    assert (mark.quiet_s, mark.max_wait_s) == (70, 900)


def test_a_stable_study_is_due_at_once_and_no_other() -> None:
    rows = [change(1, "StableStudy", Level.STUDY, "s1"), change(2), change(3, "StableSeries", Level.SERIES, "s2")]
    marks = {mark.location: mark for mark in schedule.marks(rows, [OTHER, STUDY], RULE, is_history=False)}
    assert (marks[STUDY].reason, marks[STUDY].quiet_s) == ("StableStudy", 0)
    assert (marks[OTHER].reason, marks[OTHER].quiet_s) == ("changes", 70)


def test_history_is_due_at_once_but_goes_behind_live_changes() -> None:
    (mark,) = schedule.marks([change(1, date=LONG_AGO)], [STUDY], RULE, is_history=True)
    assert (mark.lane, mark.quiet_s) == (Lane.BACKFILL, 0)


def test_earlier_counts_in_utc_over_midnight() -> None:
    assert schedule.earlier("20240301T000010", 20) == "20240229T235950"
    assert schedule.earlier("20240301T000010.123", 0) == "20240301T000010"


@pytest.mark.parametrize(
    ("attempt", "chance", "expected_s"),
    [(0, 1.0, 30), (0, 0.0, 15), (3, 1.0, 240), (10, 1.0, 3600), (10**6, 0.5, 2700)],
)
def test_backoff_doubles_up_to_its_limit_with_jitter(attempt: int, chance: float, expected_s: float) -> None:
    assert schedule.backoff_s(attempt, first_s=30, most_s=3600, chance=chance) == expected_s


def test_epoch_text_is_utc() -> None:
    assert schedule.epoch_text(NOW) == "2023-11-14T22:13:20Z"
