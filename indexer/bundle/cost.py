"""What a Bundle costs a server, learnt from its own times. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

# Weight of an older Bundle against the one after it: some fifty of them count.
_FORGETTING: Final = 0.95
# Sizes whose standard deviation is less than this share of their mean do not tell the two costs apart.
_LEAST_SPREAD: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleCost:
    """A fixed time for each Bundle, and a time for each of its bytes.

    They are the line through the last Bundles' times over their sizes, by least squares with older ones forgotten
    exponentially. Where all of them had about the same size, the fixed time stays as it was, and the rest is laid on
    the bytes.

    Attributes
    ----------
    fixed_s, per_byte_s
        Never negative; 0 until something is known.
    is_known
        Whether the last Bundles tell the two apart.
    """

    fixed_s: float = 0.0
    per_byte_s: float = 0.0
    is_known: bool = False
    _weight: float = 0.0
    _size: float = 0.0
    _time: float = 0.0
    _size_size: float = 0.0
    _size_time: float = 0.0

    def learnt(self, size: int, elapsed_s: float) -> BundleCost:
        """After a Bundle of `size` bytes was answered."""
        sums = replace(
            self,
            _weight=_FORGETTING * self._weight + 1,
            _size=_FORGETTING * self._size + size,
            _time=_FORGETTING * self._time + elapsed_s,
            _size_size=_FORGETTING * self._size_size + size * size,
            _size_time=_FORGETTING * self._size_time + size * elapsed_s,
        )
        return sums._fitted()

    def _fitted(self) -> BundleCost:
        size, time_s = self._size / self._weight, self._time / self._weight
        variance = self._size_size / self._weight - size * size
        if variance < (_LEAST_SPREAD * size) ** 2:
            return replace(self, per_byte_s=max(time_s - self.fixed_s, 0.0) / size, is_known=False)
        slope = (self._size_time / self._weight - size * time_s) / variance
        per_byte_s = min(max(slope, 0.0), time_s / size)
        return replace(self, per_byte_s=per_byte_s, fixed_s=time_s - per_byte_s * size, is_known=True)
