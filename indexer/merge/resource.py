"""The merge of one whole resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from indexer.errors import StudyInvalid
from indexer.merge.three_way import ThreeWay
from indexer.model.choices import Conflict

Resource = dict[str, Any]

_NOT_COMPARED = frozenset({"resourceType", "id", "text"})
_OF_THE_SERVER = frozenset({"versionId", "lastUpdated"})


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
    conflicts
        FHIR paths of the elements that both changed, without values, each once.
    """

    resource: Resource
    is_changed: bool
    is_shared: bool
    conflicts: tuple[str, ...] = ()


def merge(before: Resource | None, ours: Resource, theirs: Resource, conflict: Conflict) -> Merged:
    """Bring our changes into the resource that the server holds, and leave in it what others wrote.

    Parameters
    ----------
    before
        What we wrote last: the ``ours`` of the last merge, never its result, or what others wrote would count as ours
        the next time. None if unknown: then nothing is removed, and every element that we write is ours, without a
        conflict.
    ours
        What we would write now.
    theirs
        What the server holds.
    conflict
        What holds where both changed a single element.

    Raises
    ------
    StudyInvalid
        With ``edited_by_others``, if both changed an element and `conflict` asks for quarantine.
    """
    walk = ThreeWay(Conflict.OURS if before is None else conflict)
    held = _compared(theirs, before, ours)
    merged = walk.fields(str(ours.get("resourceType")), _compared(before or {}), _compared(ours), held)
    conflicts = () if before is None else tuple(dict.fromkeys(walk.conflicts))
    if conflicts and conflict is Conflict.QUARANTINE:
        raise _edited_by_others(conflicts)
    is_shared = merged != _compared(ours) or theirs.get("text") not in (None, ours.get("text"))
    if merged == held:
        return Merged(theirs, is_changed=False, is_shared=is_shared, conflicts=conflicts)
    return Merged(_whole(merged, ours, theirs), is_changed=True, is_shared=is_shared, conflicts=conflicts)


def _compared(resource: Resource, *writers: Resource | None) -> Resource:
    """The elements that are merged and compared."""
    compared = {name: value for name, value in resource.items() if name not in _NOT_COMPARED}
    meta = compared.get("meta")
    if isinstance(meta, dict):
        meta = {name: value for name, value in meta.items() if name not in _OF_THE_SERVER}
        compared["meta"] = _with_source(meta, [_source(one) for one in writers if one])
    return {name: value for name, value in compared.items() if name != "meta" or value}


def _with_source(meta: Resource, written: list[str]) -> Resource:
    """``meta`` with the source as we wrote it: HAPI adds ``#`` and the number of the request to every source."""
    source = meta.get("source")
    if not isinstance(source, str) or "#" not in source:
        return meta
    bare = _bare(source)
    if not bare:
        return {name: value for name, value in meta.items() if name != "source"}
    return {**meta, "source": next((one for one in reversed(written) if _bare(one) == bare), source)}


def _source(resource: Resource) -> str:
    meta = resource.get("meta")
    source = meta.get("source") if isinstance(meta, dict) else None
    return source if isinstance(source, str) else ""


def _bare(source: str) -> str:
    return source.partition("#")[0]


def _whole(merged: Resource, ours: Resource, theirs: Resource) -> Resource:
    """The merged elements under the id of the resource that is there, with its narrative."""
    fixed = {
        "resourceType": ours.get("resourceType"),
        "id": theirs.get("id", ours.get("id")),
        "meta": merged.get("meta"),
        "text": theirs.get("text", ours.get("text")),
    }
    return {**{name: value for name, value in fixed.items() if value is not None}, **merged}


def _edited_by_others(conflicts: tuple[str, ...]) -> StudyInvalid:
    return StudyInvalid(
        f"Others changed what changes in the archive, too: {', '.join(conflicts)}.",
        cause="edited_by_others",
        hint="Decide in the FHIR server or in the archive which value holds, or set the conflict policy to ours or "
        "theirs; then 'quarantine replay' the study.",
    )
