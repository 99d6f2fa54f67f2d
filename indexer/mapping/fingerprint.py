"""Whether a resource is the one that was last confirmed."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson


def fingerprint(resource: dict[str, Any]) -> str:
    """SHA-256 over the resource's canonical JSON (sorted keys), 64 hexadecimal digits."""
    return hashlib.sha256(orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)).hexdigest()
