"""How large a Bundle is, and of which type: what the server's answers taught, as values with pure transitions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from indexer.bundle.cost import BundleCost
from indexer.bundle.entry import BundleType

if TYPE_CHECKING:
    from indexer.model.choices import BundleChoice

_KIB: Final = 1024
_FIRST_AIM_BYTES: Final = 256 * _KIB
_STEP_BYTES: Final = 128 * _KIB
_LEAST_BYTES: Final = 4 * _KIB
# Below this part of the target time a Bundle may grow.
_QUICK: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a Bundle may not exceed, unless it holds one entry only."""

    max_entries: int = 100
    max_bytes: int = 4 * _KIB * _KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizer:
    """Size to aim at, in bytes: the cost of a Bundle follows its bytes rather better than its entries.

    The bytes of a Bundle should take the target time. What the server takes for any Bundle, however small, does not
    count: smaller Bundles would not make it less, only more frequent. Grows by a fixed step after a quick Bundle, falls
    to the size that suits after a slow one, and is halved after a time-out or 413. After 413 it also stays below what
    was refused. Bundles of one size do not tell which of the two takes the time: after a slow one, half of it is tried,
    unless it was small by itself.

    Attributes
    ----------
    target_time_s
        Time that the server should take for the bytes of a Bundle.
    aim_bytes
        Size of the next Bundle.
    ceiling_bytes
        What `aim_bytes` may not exceed any more, learnt from 413.
    """

    limits: Limits
    target_time_s: float
    aim_bytes: int
    ceiling_bytes: int
    cost: BundleCost = field(default_factory=BundleCost)

    @classmethod
    def begin(cls, limits: Limits, target_time_s: float) -> Sizer:
        """Nothing is known of the server."""
        aim = min(_FIRST_AIM_BYTES, limits.max_bytes)
        return cls(limits=limits, target_time_s=target_time_s, aim_bytes=aim, ceiling_bytes=limits.max_bytes)

    def succeeded(self, size: int, elapsed_s: float) -> Sizer:
        """After a Bundle of `size` bytes was answered. A small one that was quick proves nothing for a larger one."""
        learnt = replace(self, cost=self.cost.learnt(size, elapsed_s))
        is_quick = elapsed_s - learnt.cost.fixed_s < _QUICK * self.target_time_s
        is_large, suitable = 2 * size >= self.aim_bytes, learnt._suitable_bytes
        if is_quick and is_large:
            return learnt._aim(min(self.aim_bytes + _STEP_BYTES, max(suitable, self.aim_bytes)))
        if not is_quick and learnt.cost.is_known:
            return learnt._aim(min(self.aim_bytes, suitable))
        if not is_quick and is_large:
            return learnt._aim(self.aim_bytes // 2)  # a size that tells whether it is the bytes that take the time
        return learnt

    @property
    def _suitable_bytes(self) -> int:
        """Bytes that take the target time; as many as may be where bytes cost nothing."""
        most = self.ceiling_bytes
        return min(most, int(self.target_time_s / max(self.cost.per_byte_s, self.target_time_s / most)))

    def timed_out(self, size: int) -> Sizer:
        """After a Bundle of `size` bytes was not answered in time."""
        return self._aim(min(self.aim_bytes, size) // 2)

    def too_large(self, size: int) -> Sizer:
        """After a Bundle of `size` bytes met 413."""
        ceiling = max(_LEAST_BYTES, min(self.ceiling_bytes, size * 3 // 4))
        return replace(self, ceiling_bytes=ceiling).timed_out(size)

    def _aim(self, size: int) -> Sizer:
        return replace(self, aim_bytes=min(max(size, _LEAST_BYTES), self.ceiling_bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class TypePolicy:
    """Which type of Bundle is sent.

    Attributes
    ----------
    wanted
        As configured; ``auto`` learns.
    transaction_limit
        Most entries in a transaction as far as known, 0 if the server takes none, None if no limit is known.
    """

    wanted: BundleChoice = "auto"
    transaction_limit: int | None = None

    def choose(self, count: int) -> BundleType:
        """Type for a Bundle of `count` entries."""
        if self.wanted == "auto":
            fits = self.transaction_limit is None or count <= self.transaction_limit
            return BundleType.TRANSACTION if fits else BundleType.BATCH
        return BundleType(self.wanted)

    def max_entries(self, most: int) -> int:
        """Most entries that the next Bundle should hold, where `most` are allowed."""
        if self.wanted == "batch" or not self.transaction_limit:
            return most
        return min(most, self.transaction_limit)

    def only_batch_took(self, count: int) -> TypePolicy:
        """After a transaction of `count` entries was refused whole and the same entries all went in as a batch."""
        limit = count // 2
        if self.wanted == "transaction":
            return replace(self, transaction_limit=max(limit, 1))
        return replace(self, transaction_limit=limit if limit >= 2 else 0)
