"""Durations and sizes as people write them: ``30s``, ``4MiB``."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Units:
    """The units of one quantity: what one of each is, the largest first."""

    kind: str
    examples: str
    factors: dict[str, float]

    @property
    def pattern(self) -> str:
        """Regular expression; at most nine digits: no number that a person means is longer, and none overflows."""
        return rf"^([0-9]{{1,9}}(\.[0-9]{{1,3}})?)({'|'.join(self.factors)})$"

    def parse(self, text: object) -> float:
        """Read a number with its unit; raises `ValueError` for all else, a number without a unit too."""
        match = re.fullmatch(self.pattern, text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"expected a {self.kind} with its unit, such as {self.examples}")
        return float(match[1]) * self.factors[match[3]]

    def show(self, value: float) -> str:
        """Write a value in the largest unit that needs no fraction and more than one: 60s reads better than 1m."""
        for unit, factor in self.factors.items():
            count = round(value / factor, 6)
            if count.is_integer() and (count > 1 or factor == 1):
                return f"{int(count)}{unit}"
        unit, factor = list(self.factors.items())[-1]
        return f"{round(value / factor)}{unit}"


DURATION = Units(
    "duration", "500ms, 30s, 5m, 2h or 1d", {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
)
SIZE = Units(
    "size",
    "500KB or 4MiB",
    {"GiB": 1_024**3, "GB": 1_000**3, "MiB": 1_024**2, "MB": 1_000**2, "KiB": 1_024, "KB": 1_000, "B": 1},
)
