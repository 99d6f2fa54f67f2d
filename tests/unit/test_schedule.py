"""When something is due."""

import pytest

from indexer import schedule
from indexer.model import FeedPage, FeedPosition, Lane, StudyLocation

NOW = 1_700_000_000.0
RULE = schedule.SettlingRule(quiet_s=70, max_wait_s=900)
STUDY = StudyLocation("main", "s1", "1.2.3")
OTHER = StudyLocation("main", "s2", "1.2.4")


@pytest.mark.parametrize(
    ("quiet", "age_s", "expected"),
    [
        ((), 0, ("changes", Lane.LIVE, 70)),
        (("s2",), 0, ("changes", Lane.LIVE, 70)),
        (("s1",), 0, ("quiet", Lane.LIVE, 0)),
        ((), 900, ("changes", Lane.LIVE, 70)),
        ((), 901, ("changes", Lane.BACKFILL, 0)),
        (("s1",), 901, ("quiet", Lane.BACKFILL, 0)),
    ],
)
def test_a_study_is_due_when_it_is_quiet(quiet: tuple[str, ...], age_s: float, expected: tuple[str, Lane, int]) -> None:
    page = FeedPage(position=FeedPosition(), locations=(STUDY, OTHER), quiet=frozenset(quiet), age_s=age_s)
    mark, other = schedule.marks(page, RULE)
    assert (mark.location, other.location) == (STUDY, OTHER)
    assert (mark.reason, mark.lane, mark.quiet_s) == expected
    assert mark.max_wait_s == 900


@pytest.mark.parametrize(
    ("attempt", "chance", "expected_s"),
    [(0, 1.0, 30), (0, 0.0, 15), (3, 1.0, 240), (10, 1.0, 21600), (10**6, 0.5, 16200)],
)
def test_backoff_doubles_up_to_its_limit_with_jitter(attempt: int, chance: float, expected_s: float) -> None:
    assert schedule.backoff_s(attempt, chance) == expected_s


def test_epoch_text_is_utc() -> None:
    assert schedule.epoch_text(NOW) == "2023-11-14T22:13:20Z"
