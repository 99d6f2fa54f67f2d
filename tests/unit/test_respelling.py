"""A FHIR server that answers values in its own spelling, from the first write to `verify`."""

from typing import Any

import pytest

from indexer.merge import Conflict
from indexer.sync.drain.answers import is_alike
from tests.fakes.memory import study
from tests.unit.world import World

TIMED = {"StudyTime": "101500", "TimezoneOffsetFromUTC": "+0100"}


@pytest.fixture
def respelling(world: World) -> World:
    """Three studies with a time are published to it, and whatever both sides changed would go to quarantine."""
    world.target.habits.respells = True
    world.conflict = Conflict.QUARANTINE
    world.publish(*[study(f"1.2.{number}", series=2, StudyDescription="Chest", **TIMED) for number in range(1, 4)])
    assert world.study("1.2.1")["started"] == "2024-01-01T09:15:00.000Z"
    world.target.sent.clear()
    return world


def annotate(world: World, uid: str, **elements: Any) -> None:
    """Somebody else writes into a study."""
    world.target.put(world.study(uid) | elements)


def test_verify_finds_nothing(respelling: World) -> None:
    assert respelling.verify().findings == []
    annotate(respelling, "1.2.2", started="2024-01-01T09:15:01Z")
    assert [finding.differences for finding in respelling.verify().findings] == [
        ("wrong started: 2024-01-01T09:15:01.000Z instead of 2024-01-01T10:15:00+01:00",)
    ]


def test_a_study_that_stands_there_is_not_written_again(respelling: World) -> None:
    for _ in range(2):
        respelling.ledger.reset_target()
        respelling.mark("1.2.1", "1.2.2")
        respelling.drain()
    assert "ImagingStudy" not in str(respelling.target.sent)


def test_a_study_whose_answer_was_lost_is_known_in_any_spelling(respelling: World) -> None:
    held = respelling.study("1.2.1")
    sent = held | {"started": "2024-01-01T10:15:00+01:00", "series": held["series"][::-1]}
    assert is_alike(sent, held)
    assert not is_alike(sent | {"started": "2024-01-01T10:15:01+01:00"}, held)


def test_a_correction_of_ours_is_no_conflict_with_the_spelling(respelling: World) -> None:
    annotate(respelling, "1.2.1", note=[{"text": "theirs"}])
    respelling.publish(study("1.2.1", series=2, StudyDescription="Head", **TIMED | {"StudyTime": "111500"}))
    corrected = respelling.study("1.2.1")
    assert (corrected["started"], corrected["description"]) == ("2024-01-01T10:15:00.000Z", "Head")
    assert corrected["note"] == [{"text": "theirs"}]
    assert respelling.quarantined == {}
