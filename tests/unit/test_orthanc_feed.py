"""Orthanc's list of changes as a feed: nothing is missed, and only a proven replacement begins an epoch."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from indexer.errors import Unavailable
from indexer.model import FeedPage, FeedPosition
from indexer.orthanc import OrthancFeed, feed
from indexer.orthanc.feed import CHECK_EVERY_S
from indexer.orthanc.position import Level
from tests.fakes.change_log import ChangeLog
from tests.fakes.script import Clock

DOWN = Unavailable("down", peer="orthanc")


@dataclass
class Reading:
    """A list of changes, the feed over it, and how far it was read; the last studies that were seen are known."""

    clock: Clock = field(default_factory=Clock)
    position: FeedPosition = field(default_factory=FeedPosition)
    known: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = ChangeLog(self.clock)
        self.feed = self.new_feed()

    def new_feed(self, **options: Any) -> OrthancFeed:
        return OrthancFeed(self.log, clock=self.clock, **options)

    def read(self, **options: Any) -> list[FeedPage]:
        """Read to the end and remember the position after each page."""
        pages = []
        for page in (self.new_feed(**options) if options else self.feed).pages(self.position, self.holds_known):
            self.position = page.position
            self.known += [location.location_id for location in page.locations]
            pages.append(page)
        return pages

    def count(self, **options: Any) -> int:
        """How many rows were new."""
        return sum(page.count for page in self.read(**options))

    def studies(self) -> list[str]:
        """Studies that changed."""
        return sorted({location.location_id for page in self.read() for location in page.locations})

    def holds_known(self) -> bool:
        return bool(set(self.known[-8:]) & self.log.studies)


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_rows_become_studies_once_each_and_the_position_moves(reading: Reading) -> None:
    reading.log.put("a")
    reading.log.put("b", stable=False)
    (page,) = reading.read()
    assert [location.location_id for location in page.locations] == ["a", "b"]
    assert (page.quiet, page.count, page.age_s) == (frozenset({"a"}), 5, 0)
    assert (reading.position.reached, reading.position.epoch) == (5, 1)


def test_a_page_is_as_old_as_its_last_row_by_orthanc_s_clock(reading: Reading) -> None:
    reading.log.put("a")
    reading.clock.pass_by(60)
    reading.log.put("b")
    reading.clock.pass_by(840)
    assert [page.age_s for page in reading.read()] == [840]


def test_an_empty_page_never_moves_the_position(reading: Reading) -> None:
    reading.log.put("a")
    reading.read()
    before = reading.position
    reading.log.last = 5000
    assert reading.read() == [FeedPage(position=before)]
    reading.log.last = None
    reading.log.put("b")
    assert reading.count() == 3


def test_no_news_cost_one_request(reading: Reading) -> None:
    reading.log.put("a")
    reading.read()
    reading.log.script.calls.clear()
    reading.read()
    assert reading.log.script.calls == {"changes": 1}


@pytest.mark.parametrize(("change_type", "level"), [("UpdatedAttachment", Level.SERIES), ("Unheard", None)])
def test_what_tells_nothing_of_a_study_moves_the_position_alone(
    change_type: str, level: Level | None, reading: Reading
) -> None:
    reading.log.put("a")
    reading.read()
    seq = reading.log.log(change_type, level, "a")
    assert reading.read() == [FeedPage(position=reading.position, count=1)]
    assert reading.position.reached == seq


def test_each_page_has_its_position(reading: Reading) -> None:
    for study in "abcdefghij":
        reading.log.put(study)
    reading.log.script.next("changes", None, None, DOWN)
    with pytest.raises(Unavailable):
        reading.read(page_size=4)
    assert reading.position.reached == 8
    assert reading.count(page_size=4) == 22


def test_the_position_stays_if_studies_cannot_be_located(reading: Reading) -> None:
    reading.log.put("a")
    reading.log.script.next("locate", DOWN)
    with pytest.raises(Unavailable):
        reading.read()
    assert reading.position == FeedPosition()
    assert reading.studies() == ["a"]


@pytest.mark.parametrize("has_overlap", [False, True])
def test_the_end_is_the_newest_row_that_can_be_seen(has_overlap: bool, reading: Reading) -> None:
    assert reading.feed.end(has_overlap=has_overlap).reached == 0
    reading.log.put("a")
    reading.log.put("b")
    late = reading.log.log("NewInstance", Level.INSTANCE, "a/1", is_late=True)
    reading.position = reading.feed.end(has_overlap=has_overlap)
    assert (reading.position.reached, reading.studies()) == (6, [])
    reading.log.commit(late)
    assert reading.studies() == ["a"]


@pytest.mark.parametrize("page_size", [1, 1000])
@pytest.mark.parametrize(("waited_s", "age_s"), [(0, 0), (59, 0), (3600, 0), (30, 59)])
def test_an_end_with_overlap_waits_for_the_rows_that_are_missing_and_for_no_others(
    waited_s: float, age_s: float, page_size: int, reading: Reading
) -> None:
    reading.log.put("a")
    reading.log.studies.add("b")
    late = reading.log.log("NewInstance", Level.INSTANCE, "b/0", is_late=True)
    reading.log.put("c")
    reading.log.put("gone")
    reading.log.remove("gone")
    reading.clock.pass_by(age_s)
    reading.position = reading.new_feed(page_size=page_size).end(has_overlap=True)
    reading.log.commit(late)
    reading.clock.pass_by(waited_s)
    assert reading.studies() == ["b"]
    assert reading.count() == 0


def test_an_end_with_overlap_looks_no_further_back_than_rows_can_be_late(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "OVERLAP", 4)
    late = [reading.log.log("NewInstance", Level.INSTANCE, "a/0", is_late=True) for _ in range(2)]
    for study in "abc":
        reading.log.put(study)
    reading.position = reading.feed.end(has_overlap=True)
    for seq in late:
        reading.log.commit(seq)
    assert (reading.position.reached, reading.studies()) == (11, [])


# --- holes ----------------------------------------------------------------------------------------------------------


def test_a_late_row_is_waited_for_and_seen(reading: Reading) -> None:
    reading.log.put("a")
    reading.log.studies.add("b")
    late = reading.log.log("NewInstance", Level.INSTANCE, "b/0", is_late=True)
    reading.log.put("c")
    reading.read()
    assert reading.position.reached == late - 1
    reading.clock.pass_by(59)
    assert reading.count() == 0
    reading.log.commit(late)
    reading.clock.pass_by(1)
    assert reading.studies() == ["b"]
    assert reading.position.reached == late + 3


def test_a_row_that_never_comes_is_given_up(reading: Reading) -> None:
    lost = reading.log.log("NewInstance", Level.INSTANCE, "a/0", is_late=True)
    reading.log.put("b")
    reading.read()
    reading.clock.pass_by(60)
    reading.read()
    assert reading.position.reached == lost + 3


def test_a_slow_answer_does_not_shorten_the_grace(reading: Reading) -> None:
    """The row came before the grace ended, but after the page was read."""
    late = reading.log.log("NewInstance", Level.INSTANCE, "a/0", is_late=True)
    reading.log.put("a")
    reading.read()
    reading.clock.pass_by(59)
    reading.log.script.next("server_time", lambda: reading.clock.pass_by(5))
    reading.read()
    assert reading.position.reached == late - 1
    reading.log.commit(late)
    reading.read()
    assert reading.position.reached == late + 3


def test_a_hole_is_not_given_up_by_later_pages_that_never_looked_at_it(reading: Reading) -> None:
    """Reading on takes longer than the grace; the hole is below what the later pages ask for."""
    late = reading.log.log("NewInstance", Level.INSTANCE, "a/0", is_late=True)
    for study in "abcdefgh":
        reading.log.put(study)
    reading.log.script.always("locate", lambda: reading.clock.pass_by(20))
    reading.read(page_size=3)
    assert reading.position.reached == late - 1
    reading.log.commit(late)
    reading.read()
    assert reading.position.reached == reading.log.seq


# --- a replaced database --------------------------------------------------------------------------------------------


@pytest.fixture
def known(reading: Reading) -> Reading:
    """Three studies are known."""
    for study in "abc":
        reading.log.put(study)
    reading.read()
    return reading


def test_a_database_made_anew_of_the_same_studies_is_read_from_its_start(known: Reading) -> None:
    known.clock.pass_by(3600)
    known.log.replace_database()
    known.log.put("c")
    known.log.put("z", stable=False)
    assert known.studies() == ["c", "z"]
    assert (known.position.epoch, known.position.reached) == (2, 5)


def test_an_emptied_database_begins_an_epoch(known: Reading) -> None:
    known.log.replace_database()
    (page,) = known.read()
    assert (page.position.epoch, page.position.reached, page.locations) == (2, 0, ())


def test_a_new_database_that_has_grown_past_the_position_is_found_by_its_anchors(known: Reading) -> None:
    known.log.replace_database()
    known.clock.pass_by(CHECK_EVERY_S)
    for study in "defgh":
        known.log.put(study)
    assert known.studies() == list("defgh")
    assert known.position.epoch == 2


def test_anchors_are_not_compared_each_time(known: Reading) -> None:
    known.clock.pass_by(CHECK_EVERY_S)
    known.read()
    known.log.script.calls.clear()
    known.clock.pass_by(CHECK_EVERY_S - 1)
    known.read()
    assert known.log.script.calls["changes"] == 1
    known.clock.pass_by(1)
    known.read()
    assert known.log.script.calls["changes"] == 3


def clear_rows(log: ChangeLog) -> None:
    """``DELETE /changes`` takes every anchor away; PostgreSQL may lower ``Last``."""
    log.rows.clear()
    log.last = 0


def lower_last(log: ChangeLog) -> None:
    log.last = 1


def clear_rows_and_a_study(log: ChangeLog) -> None:
    clear_rows(log)
    log.remove("c")


def delete_the_newest(log: ChangeLog) -> None:
    log.remove("c")
    log.remove("b")
    log.last = 3


@pytest.mark.parametrize("happens", [lower_last, clear_rows, clear_rows_and_a_study, delete_the_newest])
def test_what_proves_no_replacement_begins_no_epoch(happens: Any, known: Reading) -> None:
    before = known.position
    happens(known.log)
    assert known.read() == [FeedPage(position=before)]


def test_cleared_rows_and_every_known_study_gone_begin_an_epoch(known: Reading) -> None:
    clear_rows(known.log)
    known.log.studies.clear()
    known.read()
    assert known.position.epoch == 2


def test_a_restored_backup_is_found_at_its_first_new_row(known: Reading) -> None:
    del known.log.rows[6:]
    known.log.studies.remove("c")
    known.log.seq = 6
    known.clock.pass_by(3600)
    before = known.position
    known.read()
    assert known.position == before
    known.log.put("c", stable=False)
    assert known.studies() == ["a", "b", "c"]
    assert known.position.epoch == 2
