"""Durations and sizes as people write them: ``30s``, ``4MiB``."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES = {
    "B": 1,
    "KB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "KiB": 1_024,
    "MiB": 1_024**2,
    "GiB": 1_024**3,
}
# At most nine digits: no number that a person means is longer, and none overflows.
DURATION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h|d)$"
SIZE_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,3})?(B|KB|MB|GB|KiB|MiB|GiB)$"
DURATION_EXPECTED = "expected a duration with its unit, such as 500ms, 30s, 5m, 2h or 1d"
SIZE_EXPECTED = "expected a size with its unit, such as 500KB or 4MiB"


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``30s``, ``5m``, ``2h`` or ``1d``.

    Raises
    ------
    ValueError
        The text is no duration; a number without a unit is none either.
    """
    if not re.fullmatch(DURATION_PATTERN, text, re.ASCII):
        raise ValueError(DURATION_EXPECTED)
    number = text.rstrip("mshd")
    return float(number) * _SECONDS[text[len(number) :]]


def parse_size(text: str) -> int:
    """Bytes of a size such as ``4MiB`` (2**20) or ``500KB`` (10**3).

    Raises
    ------
    ValueError
        The text is no size; a number without a unit is none either.
    """
    if not re.fullmatch(SIZE_PATTERN, text, re.ASCII):
        raise ValueError(SIZE_EXPECTED)
    number = text.rstrip("KMGiB")
    return int(float(number) * _BYTES[text[len(number) :]])


def show_duration(seconds: float) -> str:
    """Write seconds in the largest unit that needs no fraction, as in ``15m``."""
    for unit in ("d", "h", "m", "s"):
        # 60s reads better than 1m beside 90s.
        if seconds % _SECONDS[unit] == 0 and (seconds >= 2 * _SECONDS[unit] or unit == "s"):
            return f"{int(seconds / _SECONDS[unit])}{unit}"
    return f"{round(seconds * 1_000)}ms"


def show_size(size_bytes: int) -> str:
    """Write bytes in the largest unit that needs no fraction, as in ``4MiB``."""
    for unit in ("GiB", "MiB", "KiB", "GB", "MB", "KB"):
        if size_bytes and size_bytes % _BYTES[unit] == 0:
            return f"{size_bytes // _BYTES[unit]}{unit}"
    return f"{size_bytes}B"
