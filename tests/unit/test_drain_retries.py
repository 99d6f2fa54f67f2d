"""Studies that the FHIR server refused are tried again by themselves."""

import pytest

from indexer.ledger import retries
from indexer.strategies import imaging_study_id
from tests.fakes.memory import study
from tests.unit.world import World

HOUR = 3600.0
REFERENCE = f"ImagingStudy/{imaging_study_id('1.2.3')}"


def tries(world: World) -> int:
    return sum(REFERENCE in references for _, references in world.target.sent)


@pytest.fixture
def refused(world: World) -> World:
    """A study is in quarantine, because the server refused it."""
    world.target.habits.refused[REFERENCE] = 422
    world.publish(study())
    assert world.quarantined == {"1.2.3": "invalid"}
    world.target.sent.clear()
    return world


def test_a_refused_study_is_tried_again_after_an_hour_and_published(refused: World) -> None:
    refused.target.habits.refused.clear()
    refused.clock.pass_by(HOUR - 1)
    refused.drain()
    assert (tries(refused), list(refused.quarantined)) == (0, ["1.2.3"])
    refused.clock.pass_by(1)
    refused.drain()
    refused.drain()
    assert (len(refused.studies), refused.quarantined) == (1, {})


def test_it_is_tried_ever_more_rarely_but_once_a_week(refused: World) -> None:
    for wait in (1, 1, 2, 4, 8, 16, 32, 64, 128, 168, 168):
        before = tries(refused)
        refused.clock.pass_by(wait * HOUR - 1)
        refused.drain()
        assert tries(refused) == before, f"earlier than after {wait} h"
        refused.clock.pass_by(1)
        refused.drain()
        refused.drain()
        assert tries(refused) > before, f"not after {wait} h"


@pytest.mark.parametrize(("setup", "is_tried"), [("the same", False), ("another", True)])
def test_a_change_of_the_setup_tries_it_at_once(refused: World, setup: str, is_tried: bool) -> None:
    refused.ledger.note_setup("the same", refused.clock())
    refused.ledger.note_setup(setup, refused.clock())
    assert (refused.ledger.retries_due(refused.clock()) == ("1.2.3",)) is is_tried


def test_what_the_study_itself_lacks_is_not_tried_again(world: World) -> None:
    world.publish(study(patient_id=""))
    assert list(world.quarantined.values()) == ["no_patient_id"]
    assert world.ledger.retries_due(world.clock() + 2 * retries.LONGEST_S) == ()
