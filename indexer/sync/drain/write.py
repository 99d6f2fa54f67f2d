"""We own only what we write: updates go over the version that we know, or are merged into the one that is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import orjson

from indexer import mapping, merge
from indexer.bundle import EntryStatus
from indexer.errors import PeerError, StudyInvalid
from indexer.merge import Conflict, Merged
from indexer.model import Written
from indexer.sync.drain.send import Answer, BundleSender, is_alike

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.bundle import Entry
    from indexer.ledger import Ledger
    from indexer.model import Fetched, ResourceKey
    from indexer.sync.drain.send import Answers

ROUNDS = 4
"""Times that a resource is read and merged anew because somebody wrote meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A resource that we would write, and what we know of what stands under its id.

    Attributes
    ----------
    entry
        The resource as it would be written if nobody else wrote into it.
    version_id
        Version that the server confirmed last, None if unknown.
    is_shared
        Whether that version holds what others wrote.
    is_new
        Whether nothing stands under this id.
    is_foreign
        Whether others made it: a Patient of which only the demographics follow the archive.
    is_abandoned
        Whether a process died that may have sent it.
    force
        Whether it is sent even if the server holds it already, and our values hold even where others changed them.
    """

    key: ResourceKey
    entry: Entry
    version_id: str | None = None
    is_shared: bool = False
    is_new: bool = False
    is_foreign: bool = False
    is_abandoned: bool = False
    force: bool = False

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return self.entry.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceWriter:
    """Writes drafts so that what others wrote stays.

    Attributes
    ----------
    ownership
        ``exclusive``: our resources are replaced whole, whatever stands there.
    conflict
        What holds where both changed one element.
    """

    ledger: Ledger
    sender: BundleSender
    ownership: Literal["shared", "exclusive"] = "shared"
    conflict: Conflict = Conflict.OURS

    def write(self, drafts: Sequence[Draft]) -> Answers:
        """Bring every draft to an answer.

        Raises
        ------
        Interrupted
            If a stop was asked for while the server was out of reach.
        TargetReplaced
            If the server refuses entries and does not hold what it confirmed before.
        """
        left = {draft.reference: draft for draft in drafts}
        before = self._record_pending(drafts)
        entries = [self._over_known(draft) for draft in drafts if not self._is_read_first(draft)]
        answers = self._write(entries, [draft for draft in drafts if self._is_read_first(draft)], before)
        for _ in range(ROUNDS):
            stale = [left[key] for key, one in answers.items() if one.entry_status is EntryStatus.CONFLICT]
            if not stale:
                break
            answers |= self._write([], stale, before)
        return answers

    def _record_pending(self, drafts: Sequence[Draft]) -> Mapping[ResourceKey, Written]:
        """Remember what is written before it is sent, for a process may die before it can tell that it arrived.

        Returns
        -------
        Mapping
            What was written before.
        """
        if self.ownership == "exclusive":
            return {}
        bodies = {draft.key: merge.pack(draft.entry.body) for draft in drafts if not draft.is_foreign}
        return self.ledger.record_pending(bodies)

    def _is_read_first(self, draft: Draft) -> bool:
        if draft.is_foreign or draft.is_abandoned:
            return True
        is_known = draft.is_new or (draft.version_id is not None and not draft.is_shared)
        return self.ownership == "shared" and not is_known

    def _over_known(self, draft: Draft) -> Entry:
        return replace(draft.entry, if_match=draft.version_id if self.ownership == "shared" else None)

    def _write(
        self, entries: Sequence[Entry], to_read: Sequence[Draft], before: Mapping[ResourceKey, Written]
    ) -> Answers:
        """Deliver these entries, and those drafts merged into what the server holds."""
        done: Answers = {}
        shared: set[str] = set()
        merged: list[Entry] = []
        held = self.sender.read([draft.reference for draft in to_read])
        for draft, found in zip(to_read, held, strict=True):
            if isinstance(found, PeerError):
                done[draft.reference] = Answer(entry_status=EntryStatus.RETRY, cause="unreadable", text=found.message)
                continue
            if found is None:
                self._absent(draft, merged, done)
                continue
            try:
                result = self._merged(draft, found.resource, before.get(draft.key, Written()))
            except StudyInvalid as error:
                done[draft.reference] = _unfit(error)
                continue
            if result.is_shared:
                shared.add(draft.reference)
            if result.is_changed or draft.force:
                merged.append(_over(draft.entry, result, found))
            else:
                done[draft.reference] = Answer(entry_status=EntryStatus.ACCEPTED, version_id=found.version_id)
        done |= self.sender.deliver([*entries, *merged])
        return {key: replace(one, is_shared=one.is_shared or key in shared) for key, one in done.items()}

    def _absent(self, draft: Draft, merged: list[Entry], done: Answers) -> None:
        """Nothing stands there (any more): ours is created; what others made is theirs to create."""
        if draft.is_foreign:
            done[draft.reference] = Answer(
                entry_status=EntryStatus.REFUSED, cause="patient_gone", text="not there any more"
            )
        else:
            merged.append(replace(draft.entry, if_match=None))

    def _merged(self, draft: Draft, held: dict[str, Any], written: Written) -> Merged:
        ours = orjson.loads(draft.entry.body)
        if draft.is_foreign:
            changed = mapping.with_demographics(held, ours)
            return Merged(changed, is_changed=changed != held, is_shared=True)
        if self.ownership == "exclusive":
            return Merged(ours, is_changed=not is_alike(ours, held), is_shared=False)
        before = merge.last_written(written, held, self.conflict)
        if draft.force:
            # Somebody wants our values back: nothing that others changed of them holds, what they added does.
            restored = merge.merge(before, ours, held, Conflict.OURS).resource
            return merge.merge(None, ours, restored, Conflict.OURS)
        return merge.merge(before, ours, held, self.conflict)


def _over(entry: Entry, result: Merged, held: Fetched) -> Entry:
    return replace(entry, body=orjson.dumps(result.resource), if_match=held.version_id)


def _unfit(error: StudyInvalid) -> Answer:
    return Answer(entry_status=EntryStatus.REFUSED, cause=error.cause, text=error.message, hint=error.hint)
