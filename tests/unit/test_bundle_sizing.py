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
    larger = sizer.succeeded(sizer.aim_bytes, 0.7)
    assert larger.succeeded(larger.aim_bytes, 0.7).aim_bytes == sizer.aim_bytes + 2 * step


def test_a_small_quick_one_proves_nothing() -> None:
    sizer = begin()
    assert sizer.succeeded(1000, 0.01) == sizer


def test_stays_when_the_time_is_right() -> None:
    sizer = begin()
    assert sizer.succeeded(sizer.aim_bytes, 1.0) == sizer


def test_shrinks_in_proportion() -> None:
    sizer = begin()
    assert sizer.succeeded(sizer.aim_bytes, 4.0).aim_bytes == sizer.aim_bytes // 4
    # A giant entry at the wonted rate says nothing against the size.
    assert sizer.succeeded(10 * sizer.aim_bytes, 10.0) == sizer


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
