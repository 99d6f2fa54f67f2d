import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.bundle import BundleType, Limits, Sizer, TypePolicy

MIB = 1024 * 1024
SIZES = st.integers(min_value=1, max_value=64 * MIB)


def begin(max_bytes: int = 4 * MIB, max_entries: int = 100) -> Sizer:
    return Sizer.begin(Limits(max_entries=max_entries, max_bytes=max_bytes), target_time_s=1.0)


def test_begins_below_the_limit() -> None:
    assert begin().aim_bytes == 256 * 1024
    assert begin(max_bytes=65536).aim_bytes == 65536


def test_grows_by_a_step_after_a_quick_one() -> None:
    sizer = begin()
    step = sizer.succeeded(sizer.aim_bytes, 0.1).aim_bytes - sizer.aim_bytes
    assert step > 0
    larger = sizer.succeeded(sizer.aim_bytes, 0.1)
    assert larger.succeeded(larger.aim_bytes, 0.1).aim_bytes == sizer.aim_bytes + 2 * step


def test_a_small_quick_one_proves_nothing() -> None:
    sizer = begin()
    assert sizer.succeeded(1000, 0.001).aim_bytes == sizer.aim_bytes


def known(per_mib_s: float) -> Sizer:
    """After Bundles of two sizes at a server whose time follows the bytes."""
    sizer = begin()
    for size in (MIB // 8, MIB // 4):
        sizer = sizer.succeeded(size, per_mib_s * size / MIB)
    return sizer


def test_stays_when_the_time_is_right() -> None:
    sizer = known(4.0)
    assert sizer.aim_bytes == MIB // 4
    assert sizer.succeeded(sizer.aim_bytes, 1.0).aim_bytes == sizer.aim_bytes


def test_a_first_slow_one_is_halved_to_see_what_takes_the_time() -> None:
    sizer = begin()
    slow = sizer.succeeded(sizer.aim_bytes, 4.0)
    assert slow.aim_bytes == sizer.aim_bytes // 2
    assert slow.succeeded(slow.aim_bytes, 2.0).aim_bytes == sizer.aim_bytes // 4, "the bytes"
    assert slow.succeeded(slow.aim_bytes, 4.0).aim_bytes > slow.aim_bytes, "the server, whatever it is sent"


def test_a_giant_entry_at_the_wonted_rate_says_nothing_against_the_size() -> None:
    sizer = known(4.0)
    assert sizer.succeeded(10 * sizer.aim_bytes, 10.0).aim_bytes == sizer.aim_bytes


SERVERS = [(1.0, 0.0), (1.0, 0.1), (1.0, 1.0), (5.0, 1.0), (0.05, 1.0), (0.05, 10.0), (0.0, 0.5), (0.01, 100.0)]
"""Seconds for each Bundle, and for each MiB of it."""


@pytest.mark.parametrize("noise", [0.0, 0.3], ids=["steady", "noisy"])
@pytest.mark.parametrize("small", [0.0, 0.2], ids=["full Bundles", "some small ones"])
@pytest.mark.parametrize(("fixed_s", "per_mib_s"), SERVERS)
def test_bundles_are_as_large_as_it_gains(fixed_s: float, per_mib_s: float, small: float, noise: float) -> None:
    """Nearly what comes through if the bytes of each Bundle take the target time, or as many as may be are in it."""
    chance, sizer, largest = random.Random(1), begin(), 4 * MIB
    sent, taken_s = 0, 0.0
    for number in range(300):
        is_small = chance.random() < small
        size = chance.randint(2000, sizer.aim_bytes) if is_small else int(sizer.aim_bytes * chance.uniform(0.97, 1))
        elapsed_s = (fixed_s + per_mib_s * size / MIB) * chance.uniform(1 - noise, 1 + noise)
        sizer = sizer.succeeded(size, elapsed_s)
        if number >= 100 and not is_small:
            sent, taken_s = sent + size, taken_s + elapsed_s
    best = min(largest, MIB / per_mib_s) if per_mib_s else largest
    assert sent / taken_s > (0.75 if noise else 0.85) * best / (fixed_s + per_mib_s * best / MIB)


def test_a_server_that_was_slow_for_a_while_gets_large_ones_again() -> None:
    sizer = begin()
    for _ in range(50):
        sizer = sizer.succeeded(sizer.aim_bytes, 20.0 * sizer.aim_bytes / MIB)
    assert sizer.aim_bytes < MIB / 10
    for _ in range(100):
        sizer = sizer.succeeded(sizer.aim_bytes, 0.05 + 0.5 * sizer.aim_bytes / MIB)
    assert sizer.aim_bytes > MIB


def test_halved_on_time_out() -> None:
    sizer = begin()
    assert sizer.timed_out(sizer.aim_bytes).aim_bytes == sizer.aim_bytes // 2
    assert sizer.timed_out(sizer.aim_bytes // 2).aim_bytes == sizer.aim_bytes // 4


def test_settles_below_a_limit_of_the_server_after_few_refusals() -> None:
    sizer, limit, refusals = begin(), 1_000_000, 0
    for _ in range(200):
        if sizer.aim_bytes > limit:
            refusals += 1
            sizer = sizer.too_large(sizer.aim_bytes)
        else:
            sizer = sizer.succeeded(sizer.aim_bytes, 0.1)
    assert refusals <= 2
    assert limit // 2 < sizer.aim_bytes <= limit


@settings(deadline=None)
@given(
    st.integers(min_value=65536, max_value=1024 * MIB),
    st.lists(
        st.one_of(
            st.tuples(st.just("succeeded"), SIZES, st.floats(min_value=0, max_value=1e4)),
            st.tuples(st.sampled_from(["timed_out", "too_large"]), SIZES, st.none()),
        ),
        max_size=50,
    ),
)
def test_never_outside_its_bounds(max_bytes: int, events: list[tuple[str, int, float | None]]) -> None:
    sizer = begin(max_bytes)
    for name, size, elapsed_s in events:
        sizer = getattr(sizer, name)(*(one for one in (size, elapsed_s) if one is not None))
        assert 4096 <= sizer.aim_bytes <= sizer.ceiling_bytes <= max_bytes


def test_transactions_until_something_speaks_against_them() -> None:
    policy = TypePolicy()
    assert policy.choose(1000) is BundleType.TRANSACTION
    assert policy.max_entries(100) == 100
    learnt = policy.only_batch_took(100)
    assert (learnt.choose(50), learnt.choose(51)) == (BundleType.TRANSACTION, BundleType.BATCH)
    assert (learnt.max_entries(100), learnt.max_entries(20)) == (50, 20)


def test_batch_only_when_not_even_small_transactions_go() -> None:
    policy = TypePolicy().only_batch_took(4)
    assert policy.transaction_limit == 2
    for count in (3, 2, 1):
        refused = policy.only_batch_took(count)
        assert refused.choose(1) is BundleType.BATCH
        assert refused.max_entries(100) == 100


def test_configured_type_stays() -> None:
    batch = TypePolicy(wanted="batch")
    assert (batch.choose(1), batch.max_entries(100)) == (BundleType.BATCH, 100)
    transaction = TypePolicy(wanted="transaction")
    assert transaction.choose(1000) is BundleType.TRANSACTION
    for count, limit in ((100, 50), (2, 1), (1, 1)):
        learnt = transaction.only_batch_took(count)
        assert learnt.choose(1) is BundleType.TRANSACTION
        assert learnt.max_entries(1000) == limit


def served(sizer: Sizer, fixed_s: float, per_mib_s: float, sizes: Iterable[int | None]) -> Sizer:
    """After Bundles of these sizes, or as large as is aimed at."""
    for wanted in sizes:
        size = wanted or sizer.aim_bytes
        sizer = sizer.succeeded(size, fixed_s + per_mib_s * size / MIB)
    return sizer


@pytest.mark.parametrize("before", [[], [MIB // 8, MIB // 4]], ids=["at the start", "later"])
def test_small_bundles_of_one_size_say_nothing_against_larger_ones(before: list[int]) -> None:
    """Single studies by day; the first Bundle of the night shows whether it is the bytes that take the time."""
    sizer = served(begin(), 0.05, 1.0, before)
    trickle = served(sizer, 1.0, 0.0, [5000] * 200)
    assert trickle.aim_bytes >= sizer.aim_bytes
    assert served(trickle, 1.0, 0.0, [None] * 40).aim_bytes == 4 * MIB


def test_a_server_that_takes_its_time_for_any_bundle_from_now_on_gets_large_ones() -> None:
    """Though all Bundles had the same size by then, so that they tell nothing of the bytes."""
    sizer = served(begin(), 0.0, 20.0, [None] * 100)
    assert sizer.aim_bytes < MIB / 10
    assert served(sizer, 1.0, 0.0, [None] * 100).aim_bytes == 4 * MIB
