"""How many items a request carries follows what the server takes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.capacity import Capacities, Capacity
from indexer.errors import AccessDenied, Refused, TooLarge, Unavailable

DENIED = AccessDenied("401", peer="fhir", status=401)
GATEWAY_TIMEOUT = Unavailable("504", peer="fhir", status=504)


def served(capacity: Capacity, takes: int, requests: int) -> tuple[Capacity, int]:
    """Full requests to a server that takes so many items; how many of them failed."""
    failures = 0
    for _ in range(requests):
        if capacity.limit > takes:
            failures += 1
            capacity = capacity.failed(capacity.limit)
        else:
            capacity = capacity.succeeded(capacity.limit)
    return capacity, failures


def test_begins_with_what_is_configured() -> None:
    assert Capacity.begin(100).limit == 100


@pytest.mark.parametrize("takes", [1, 7, 20, 99, 100, 1000])
def test_comes_close_to_what_a_server_takes_with_few_failures(takes: int) -> None:
    capacity, carried = Capacity.begin(100), 0
    for _ in range(100):
        capacity, failures = served(capacity, takes, 1)
        carried += 0 if failures else capacity.limit
    assert carried >= 0.6 * 100 * min(takes, 100)


def test_tries_ever_more_rarely_what_failed() -> None:
    capacity, _ = served(Capacity.begin(100), 20, 200)
    capacity, failures = served(capacity, 20, 2000)
    assert failures <= 15
    assert served(capacity, 20, 2000)[1] <= 5


@pytest.mark.parametrize("guilty", range(100))
def test_one_item_that_fails_alone_teaches_nothing(guilty: int) -> None:
    capacity = Capacity.begin(100)

    def halved(items: range, capacity: Capacity) -> Capacity:
        if guilty not in items:
            return capacity.succeeded(len(items))
        capacity, middle = capacity.failed(len(items)), len(items) // 2
        return halved(items[middle:], halved(items[:middle], capacity)) if middle else capacity

    capacity, failed = served(halved(range(100), capacity), 1000, 10)
    assert (capacity.limit, capacity.too_many, failed) == (100, None, 0)


def test_an_outage_of_single_items_leaves_what_was_learnt() -> None:
    capacity, _ = served(Capacity.begin(100), 20, 200)
    assert capacity.failed(1).facts == capacity.facts


@pytest.mark.parametrize("takes", [None, 20])
def test_grows_again_though_requests_stay_at_half_of_it(takes: int | None) -> None:
    """Bundles leave room for Patients, which then need not be written."""
    capacity = Capacity.begin(100).failed(100).failed(50).failed(25)
    if takes is not None:
        capacity, _ = served(Capacity.begin(100), takes, 100)
    for _ in range(2000):
        capacity = capacity.succeeded((capacity.limit + 1) // 2)
    assert (capacity.limit, capacity.too_many) == (100, None)


@pytest.mark.parametrize("failures", range(1, 12))
def test_is_as_before_soon_after_an_outage(failures: int) -> None:
    capacity = Capacity.begin(100)
    for _ in range(failures):
        capacity = capacity.failed(capacity.limit)
    capacity, failed = served(capacity, 1000, 30)
    assert (capacity.limit, failed) == (100, 0)


def test_grows_again_when_the_server_takes_more() -> None:
    capacity, _ = served(Capacity.begin(100), 5, 100)
    assert served(capacity, 100, 2000)[0].limit == 100


def test_falls_when_the_server_takes_less() -> None:
    capacity, _ = served(Capacity.begin(100), 50, 200)
    assert 8 <= served(capacity, 10, 200)[0].limit <= 10


def test_a_small_request_proves_nothing_for_a_larger_one() -> None:
    capacity = Capacity.begin(100).failed(100).succeeded(50)
    for _ in range(100):
        capacity = capacity.succeeded(10)
    assert capacity.limit == 50


def test_is_remembered_within_what_is_configured() -> None:
    capacity, _ = served(Capacity.begin(100), 20, 200)
    assert Capacity.begin(100, capacity.facts).limit == capacity.limit
    assert Capacity.begin(10, capacity.facts).limit == 10
    assert served(Capacity.begin(10, capacity.facts), 100, 10)[0].limit == 10


@given(st.integers(1, 500), st.lists(st.tuples(st.booleans(), st.integers(1, 500)), max_size=60))
def test_never_below_one_nor_above_what_is_configured(most: int, events: list[tuple[bool, int]]) -> None:
    capacity = Capacity.begin(most)
    for went_well, wanted in events:
        count = min(wanted, capacity.limit)
        capacity = capacity.succeeded(count) if went_well else capacity.failed(count)
        assert 1 <= capacity.limit <= most


def test_too_large_is_asked_again_at_once_with_less() -> None:
    asked: list[int] = []

    def ask(items: Sequence[int]) -> Sequence[int]:
        asked.append(len(items))
        if len(items) > 3:
            raise TooLarge("413", peer="fhir", status=413)
        return items

    assert Capacities().ask("search", ask, range(10), 10) == range(2)
    assert asked == [10, 5, 2]


@pytest.mark.parametrize(("error", "parts"), [(GATEWAY_TIMEOUT, [8, 4, 2, 1]), (DENIED, [8])])
def test_somebody_who_waits_is_not_kept_waiting_for_less(error: Exception, parts: list[int]) -> None:
    asked: list[int] = []

    def ask(items: Sequence[int]) -> Sequence[int]:
        asked.append(len(items))
        raise error

    with pytest.raises(type(error)):
        Capacities().ask("search", ask, range(8), 8, is_hasty=True)
    assert asked == parts


@pytest.mark.parametrize("error", [GATEWAY_TIMEOUT, Refused("400", peer="fhir"), TooLarge("413", peer="fhir")])
def test_what_fails_alone_is_raised(error: Exception) -> None:
    def ask(_: Sequence[int]) -> Sequence[int]:
        raise error

    with pytest.raises(type(error)):
        Capacities().ask("search", ask, [1], 10)


def test_what_was_learnt_is_told_and_remembered() -> None:
    told: list[dict[str, object]] = []
    capacities = Capacities(on_learnt=lambda: told.append(capacities.facts["send"]))
    capacities.failed("send", 100, 100)
    assert told == []
    capacities.succeeded("send", 50, 100)
    assert [facts["too_many"] for facts in told] == [100]
    again = Capacities()
    again.remember(capacities.facts)
    assert (again.limit("send", 100), again.limit("search", 40)) == (50, 40)
    assert again.facts["send"] == capacities.facts["send"]
