"""How far an Orthanc's list of changes is certain."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.orthanc.position import (
    ANCHORS,
    NOISE,
    Change,
    ChangePage,
    Level,
    SeqPosition,
    advance,
    earlier,
    fresh,
    is_younger,
    moment,
    telling,
)

GRACE_S = 60.0
NOW = 1_700_000_000.0
DATE = "20231114T221320"
LONG_AGO = "20200101T000000"


def change(
    seq: int,
    change_type: str = "NewInstance",
    level: Level | None = Level.INSTANCE,
    orthanc_id: str = "i",
    date: str = DATE,
) -> Change:
    return Change(seq=seq, change_type=change_type, level=level, orthanc_id=orthanc_id, date=date)


def page(*seqs: int) -> ChangePage:
    return ChangePage(changes=tuple(map(change, seqs)), done=True, last=max(seqs, default=0))


def advanced(position: SeqPosition, *seqs: int, at: float = NOW, old: str = LONG_AGO, date: str = DATE) -> SeqPosition:
    """The position after these rows were seen, if they are new."""
    rows = fresh(position, page(*seqs))
    return advance(position, [replace(row, date=date) for row in rows], at, grace_s=GRACE_S, old=old)


def test_rows_without_a_hole_are_certain_at_once() -> None:
    assert advanced(SeqPosition(low=4), 5, 6, 7).low == 7


def test_a_hole_holds_the_position_until_it_is_filled() -> None:
    held = advanced(SeqPosition(low=4), 6, 7)
    assert (held.low, dict(held.above)) == (4, {6: NOW, 7: NOW})
    filled = advanced(held, 5, 6, 7, at=NOW + 1)
    assert (filled.low, dict(filled.above)) == (7, {})


@pytest.mark.parametrize(("waited_s", "low"), [(GRACE_S - 0.001, 4), (GRACE_S, 7)])
def test_a_hole_is_given_up_only_after_the_grace(waited_s: float, low: int) -> None:
    held = advanced(SeqPosition(low=4), 6, 7)
    assert advanced(held, at=NOW + waited_s).low == low


def test_each_hole_has_its_own_grace() -> None:
    first = advanced(SeqPosition(low=0), 2)
    second = advanced(first, 2, 4, at=NOW + 30)
    assert advanced(second, at=NOW + GRACE_S).low == 2
    assert advanced(second, at=NOW + 30 + GRACE_S).low == 4


def test_a_clock_that_was_set_back_does_not_hold_a_hole_for_ever() -> None:
    held = advanced(SeqPosition(low=4), 6, at=NOW + 1e6)
    back = advanced(held, at=NOW)
    assert dict(back.above) == {6: NOW}
    assert advanced(back, at=NOW + GRACE_S).low == 6


def test_old_history_never_stalls() -> None:
    gaps = [seq for seq in range(1, 2000) if seq % 7]
    assert advanced(SeqPosition(), *gaps, old=DATE, date="20231114T221319").low == gaps[-1]


def test_a_young_hole_above_history_is_waited_for() -> None:
    rows = [change(2, date=LONG_AGO), change(5), change(6)]
    assert advance(SeqPosition(), rows, NOW, grace_s=GRACE_S, old=DATE).low == 2


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
    position, seen, now = SeqPosition(), set(), NOW
    for step in [*polls, 3000.0, GRACE_S, GRACE_S]:
        now += step
        rows = fresh(position, ChangePage(changes=tuple(feed.visible(position.low, now)), done=True, last=0))
        assert not {row.seq for row in rows} & seen, "a row was seen twice"
        seen |= {row.seq for row in rows}
        before = position
        position = advance(position, rows, now, grace_s=GRACE_S, old=LONG_AGO)
        assert position.low >= before.low
        unseen = set(range(1, position.low + 1)) - seen
        assert not [seq for seq in unseen if seq in feed.committed_at], "the position passed a row that still came"
    assert seen == feed.committed_at.keys()
    assert position.low == max(feed.committed_at, default=0)
    assert not position.above


@given(st.lists(st.integers(1, 200), unique=True, max_size=60), st.floats(0, 10_000))
def test_low_and_above_are_all_that_was_seen(seqs: list[int], passed_s: float) -> None:
    held = advanced(SeqPosition(), *sorted(seqs))
    later = advanced(held, at=NOW + passed_s)
    assert all(seq > later.low for seq in later.above)
    assert all(seq <= later.low or seq in later.above for seq in seqs)


def test_rows_that_were_seen_are_not_fresh() -> None:
    position = SeqPosition(low=4, above={6: NOW})
    assert [row.seq for row in fresh(position, page(4, 5, 6, 7))] == [5, 7]


def test_anchors_are_the_newest_rows_that_were_seen() -> None:
    position = SeqPosition()
    for first in range(1, 100, 5):
        position = advanced(position, *range(first, first + 5))
    assert len(position.anchors) == ANCHORS
    assert max(position.anchors) == 100
    assert position.anchors[100] == change(100).anchor
    assert change(100).anchor != change(100, date="20231114T221321").anchor


@pytest.mark.parametrize(("date", "expected"), [("20231114T221421", True), ("20231114T221420", False), (DATE, False)])
def test_a_row_is_younger_when_it_was_logged_clearly_after_every_anchor(date: str, expected: bool) -> None:
    known = advanced(SeqPosition(), 1, 2)
    assert is_younger(change(1, date=date), known.anchors) is expected


def test_nothing_is_younger_than_no_anchors() -> None:
    assert not is_younger(change(1), {})


def test_anchors_outlive_a_poll_without_rows() -> None:
    known = advanced(SeqPosition(), 1, 2)
    assert advanced(known, at=NOW + 5).anchors == known.anchors


@pytest.mark.parametrize("noise", sorted(NOISE))
def test_noise_tells_nothing(noise: str) -> None:
    assert telling([change(1, noise, Level.STUDY)]) == ()


def test_only_levels_below_the_patient_tell() -> None:
    rows = [change(1, "NewPatient", Level.PATIENT), change(2, "Unheard", None), change(3, "NewStudy", Level.STUDY)]
    assert [row.seq for row in telling(rows)] == [3]


def test_earlier_counts_in_utc_over_midnight() -> None:
    assert earlier("20240301T000010", 20) == "20240229T235950"
    assert earlier("20240301T000010.123", 0) == "20240301T000010"


def test_a_cursor_is_read_as_it_was_written() -> None:
    position = SeqPosition(low=2**40, above={2**40 + 10: NOW, 2**40 + 2: 0.0}, anchors={7: change(7).anchor})
    assert SeqPosition.parse(position.cursor) == position
    assert SeqPosition.parse(position.cursor).cursor == position.cursor
    assert SeqPosition.parse("") == SeqPosition()


@given(st.integers(0, int(datetime(9998, 12, 31, tzinfo=UTC).timestamp())))
def test_a_stamp_is_read_as_it_was_written(seconds: int) -> None:
    point = datetime.fromtimestamp(seconds, UTC)
    assert moment(f"{point:%Y%m%dT%H%M%S}") == point


@pytest.mark.parametrize("stamp", ["20241301T120000", "00010101T000000", "99990101T000000", "20240101T120000 UTC"])
def test_a_stamp_of_no_time_is_refused(stamp: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, the caller tells whose fault it is
        moment(stamp)


@given(st.text())
def test_any_text_is_a_time_between_the_years_or_refused(text: str) -> None:
    try:
        point = moment(text)
    except ValueError:
        return
    assert 1970 <= point.year < 9999
