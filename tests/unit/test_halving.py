"""What spoils the whole is found by halving."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import PeerError, Refused, TooLarge, Unavailable
from indexer.halving import by_halves

REFUSED = Refused("no", peer="fhir", status=400)


@given(st.lists(st.integers(0, 5)))
def test_every_item_is_answered_in_order_and_only_the_guilty_fail(items: list[int]) -> None:
    asked = 0

    def ask(part: Sequence[int]) -> list[object]:
        nonlocal asked
        asked += 1
        if 0 in part:
            raise REFUSED
        return [*part]

    answers = by_halves(ask, items, error=(Refused, TooLarge), alone=lambda _, error: error)
    assert answers == [REFUSED if item == 0 else item for item in items]
    assert asked <= 2 * len(items)
    assert (0 in items) or asked <= 1


def test_other_failures_and_those_of_the_last_word_are_raised() -> None:
    def ask(_: Sequence[int]) -> list[int]:
        raise error

    def alone(_: int, error: PeerError) -> int:
        raise error

    for error in (Unavailable("down", peer="fhir"), REFUSED):
        with pytest.raises(type(error)):
            by_halves(ask, [1, 2], error=Refused, alone=alone)
