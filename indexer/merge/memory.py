"""What we wrote last, small enough to be kept for every study."""

from __future__ import annotations

import zlib
from typing import Any

import orjson

from indexer.errors import LedgerError

_LEVEL = 3


def pack(body: bytes) -> bytes:
    """A resource's JSON, compressed."""
    return zlib.compress(body, _LEVEL)


def unpack(packed: bytes) -> dict[str, Any]:
    """The resource that was packed.

    Raises
    ------
    LedgerError
        If the bytes are none of ours.
    """
    try:
        resource = orjson.loads(zlib.decompress(packed))
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise LedgerError("What was written last of a study cannot be read back from the ledger.") from error
    if not isinstance(resource, dict):
        raise LedgerError("What was written last of a study is no resource in the ledger.")
    return resource
