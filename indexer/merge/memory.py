"""What we wrote last, small enough to be kept for every study."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import orjson

from indexer.errors import LedgerError
from indexer.merge.resource import merge
from indexer.model.choices import Conflict

if TYPE_CHECKING:
    from indexer.model import Written

_LEVEL = 3


def pack(body: bytes) -> bytes:
    """A resource's JSON, compressed."""
    return zlib.compress(body, _LEVEL)


def last_written(written: Written, held: dict[str, Any], conflict: Conflict) -> dict[str, Any] | None:
    """What we wrote last into the resource that the server holds; None if nothing is known of it.

    What was to be sent, and never confirmed, is what we wrote last if the server holds all of it, but for what others
    keep by the policy for conflicts.

    Raises
    ------
    LedgerError
        If the bytes are none of ours.
    """
    confirmed = unpack(written.confirmed) if written.confirmed is not None else None
    if written.pending is None:
        return confirmed
    pending = unpack(written.pending)
    lasting = Conflict.THEIRS if conflict is Conflict.THEIRS else Conflict.OURS
    has_arrived = not merge(confirmed, pending, held, lasting).is_changed
    return pending if has_arrived else confirmed


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
