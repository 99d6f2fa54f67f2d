"""The merge of one whole resource, and what is kept of it for the next one, small enough to be kept for every study."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from indexer.equality import is_equal
from indexer.errors import LedgerError, StudyInvalid
from indexer.merge.three_way import ThreeWay
from indexer.model.choices import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.model import Written

Resource = dict[str, Any]

_NOT_COMPARED = frozenset({"resourceType", "id", "text"})
_OF_THE_SERVER = frozenset({"versionId", "lastUpdated"})
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge came to.

    Attributes
    ----------
    resource
        What to write, without the server's ``meta.versionId`` and ``meta.lastUpdated``; what the server holds, as it
        was given, if nothing has to be written. It shares parts with what was merged: read it only.
    is_changed
        Whether it has to be written at all.
    is_shared
        Whether it holds anything beside what we would write.
    """

    resource: Resource
    is_changed: bool
    is_shared: bool


def merge(before: Resource | None, ours: Resource, theirs: Resource, conflict: Conflict) -> Merged:
    """Bring our changes into the resource that the server holds, and leave in it what others wrote.

    Parameters
    ----------
    before
        What we wrote last: the ``ours`` of the last merge, never its result, or what others wrote would count as ours
        the next time. None if unknown: then nothing is removed, and every element that we write is ours, without a
        conflict.
    conflict
        What holds where both changed a single element.

    Raises
    ------
    StudyInvalid
        With ``edited_by_others``, if both changed an element and `conflict` asks for quarantine.
    """
    walk = ThreeWay(Conflict.OURS if before is None else conflict)
    their_elements = _compared(theirs, ours, before)
    merged = walk.fields(str(ours.get("resourceType")), _compared(before or {}), _compared(ours), their_elements)
    if before is not None and walk.conflicts and conflict is Conflict.QUARANTINE:
        raise StudyInvalid(
            f"Others changed what changes in the archive, too: {', '.join(dict.fromkeys(walk.conflicts))}.",
            cause="edited_by_others",
            hint="Decide in the FHIR server or in the archive which value holds, or set the conflict policy to ours or "
            "theirs; then 'quarantine replay' the study.",
        )
    is_shared = not is_equal(merged, _compared(ours)) or theirs.get("text") not in (None, ours.get("text"))
    if is_equal(merged, their_elements):
        return Merged(theirs, is_changed=False, is_shared=is_shared)
    return Merged(_whole(merged, ours, theirs), is_changed=True, is_shared=is_shared)


def pack(*pieces: bytes | memoryview) -> bytes:
    """A resource's JSON, compressed."""
    compressor = zlib.compressobj(_LEVEL)
    return b"".join([*map(compressor.compress, pieces), compressor.flush()])


def last_written(written: Written, held: dict[str, Any], conflict: Conflict) -> dict[str, Any] | None:
    """What we wrote last into the resource that the server holds; None if nothing is known of it.

    What was to be sent, and never confirmed, is what we wrote last if the server holds all of it, but for what others
    keep by the policy for conflicts.
    """
    confirmed = None if written.confirmed is None else unpack(written.confirmed)
    if written.pending is None:
        return confirmed
    pending = unpack(written.pending)
    lasting = Conflict.THEIRS if conflict is Conflict.THEIRS else Conflict.OURS
    return confirmed if merge(confirmed, pending, held, lasting).is_changed else pending


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


def _compared(resource: Resource, *writers: Resource | None) -> Resource:
    """The elements that are merged and compared."""
    compared = {name: value for name, value in resource.items() if name not in _NOT_COMPARED}
    meta = compared.get("meta")
    if isinstance(meta, dict):
        meta = {name: value for name, value in meta.items() if name not in _OF_THE_SERVER}
        compared["meta"] = _with_source(meta, writers)
    return {name: value for name, value in compared.items() if name != "meta" or value}


def _with_source(meta: Resource, writers: Iterable[Resource | None]) -> Resource:
    """``meta`` with the source as we wrote it: HAPI adds ``#`` and the number of the request to every source."""
    bare, mark, _ = _source(meta).partition("#")
    if not mark:
        return meta
    if not bare:
        return {name: value for name, value in meta.items() if name != "source"}
    written = (_source(writer.get("meta")) for writer in writers if writer)
    return {**meta, "source": next((source for source in written if source.partition("#")[0] == bare), meta["source"])}


def _source(meta: Any) -> str:
    source = meta.get("source") if isinstance(meta, dict) else None
    return source if isinstance(source, str) else ""


def _whole(merged: Resource, ours: Resource, theirs: Resource) -> Resource:
    """The merged elements under the id of the resource that is there, with its narrative."""
    fixed = {
        "resourceType": ours.get("resourceType"),
        "id": theirs.get("id", ours.get("id")),
        "meta": merged.get("meta"),
        "text": theirs.get("text", ours.get("text")),
    }
    return {**{name: value for name, value in fixed.items() if value is not None}, **merged}
