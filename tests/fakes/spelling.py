"""The same resource as another server spells it."""

from datetime import UTC, datetime
from typing import Any

_UNORDERED = frozenset({"identifier", "series", "instance", "modality", "basedOn", "coding", "reasonCode", "extension"})


def respelled(value: Any, name: str = "") -> Any:
    """Moments in UTC with milliseconds, numbers with a decimal point, and lists without an order backwards."""
    if isinstance(value, dict):
        return {key: respelled(part, key) for key, part in value.items()}
    if isinstance(value, list):
        parts = [respelled(part, name) for part in value]
        return parts[::-1] if name in _UNORDERED else parts
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and name in {"started", "time", "start", "valueDateTime"} and "T" in value:
        in_utc = datetime.fromisoformat(value).astimezone(UTC)
        return in_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
