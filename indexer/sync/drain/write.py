"""Carry out a plan. We own only what we write: updates replace the version that we know, or are merged into others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from indexer import mapping, merge
from indexer.bundle import Entry, EntryStatus, bind, bound
from indexer.errors import PeerError, StudyInvalid
from indexer.merge import Conflict, Merged
from indexer.model import Written
from indexer.plan import Verb
from indexer.sync.drain.answers import Answer, is_alike

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from indexer.ledger import Ledger
    from indexer.model import ResourceKey
    from indexer.model.choices import Ownership
    from indexer.plan import Action, Strategy, WritePlan
    from indexer.sync.drain.answers import Answers, Read
    from indexer.sync.drain.send import BundleSender

ROUNDS = 4
"""How often a resource is read and merged again because somebody else wrote it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceWriter:
    """Carries out a plan and keeps what others wrote.

    Attributes
    ----------
    ownership
        ``exclusive`` replaces our resources whole, whatever others wrote.
    conflict
        Whose value wins if both changed an element.
    """

    ledger: Ledger
    sender: BundleSender
    strategy: Strategy
    ownership: Ownership = "shared"
    conflict: Conflict = Conflict.OURS

    def write(self, plan: WritePlan) -> Answers:
        """Carry out every action that is due; raises as `BundleSender.deliver`."""
        due = {
            action.key: replace(action, references=plan.references) for action in plan.actions.values() if action.is_due
        }
        before = self._record_pending(due.values())
        to_read = [action for action in due.values() if self._is_read_first(action)]
        entries = [self._over_known(action) for action in due.values() if not self._is_read_first(action)]
        answers = self._write(entries, to_read, before)
        for _ in range(ROUNDS):
            stale = [due[key] for key, answer in answers.items() if answer.entry_status is EntryStatus.CONFLICT]
            stale = [action for action in stale if action.fhir_id is not None]
            if not stale:
                break
            answers |= self._write([], stale, before)
        return answers

    def _record_pending(self, actions: Iterable[Action]) -> Mapping[ResourceKey, Written]:
        """Record what will be written before it is sent: a process may die before the answer. Returns the former."""
        if self.ownership == "exclusive":
            return {}
        bodies = {
            action.key: merge.pack(*bound(action.body, references=action.references))
            for action in actions
            if not action.is_foreign
        }
        return self.ledger.record_pending(bodies)

    def _is_read_first(self, action: Action) -> bool:
        if action.fhir_id is None:
            return False
        if action.is_foreign or action.is_abandoned or action.verb is Verb.WITHDRAW:
            return True
        is_known = action.verb is Verb.CREATE or (action.version_id is not None and not action.is_shared)
        return self.ownership == "shared" and not is_known

    def _over_known(self, action: Action) -> Entry:
        return self._entry(action, action.version_id if self.ownership == "shared" else None)

    def _entry(self, action: Action, if_match: str | None, merged: bytes | None = None) -> Entry:
        return Entry(
            key=action.key,
            body=merged or action.body,
            lacks_id=merged is None,
            references={} if merged else action.references,
            fhir_id=action.fhir_id,
            request=self.strategy.request(action, if_match),
            if_match=if_match,
            patient_key=action.patient_key,
            patient_body=action.patient_body,
        )

    def _write(
        self, entries: Sequence[Entry], to_read: Sequence[Action], before: Mapping[ResourceKey, Written]
    ) -> Answers:
        """Deliver `entries` as they are, and the actions `to_read` merged into what the server holds."""
        answers: Answers = {}
        shared: set[ResourceKey] = set()
        merged: list[Entry] = []
        current = self.sender.read([f"{action.key.type}/{action.fhir_id}" for action in to_read])
        for action, present in zip(to_read, current, strict=True):
            result = self._over_present(action, present, before.get(action.key, Written()), shared)
            if isinstance(result, Entry):
                merged.append(result)
            else:
                answers[action.key] = result
        answers |= self.sender.deliver([*entries, *merged])
        return {key: replace(answer, is_shared=answer.is_shared or key in shared) for key, answer in answers.items()}

    def _over_present(
        self, action: Action, present: Read, written: Written, shared: set[ResourceKey]
    ) -> Entry | Answer:
        """The entry that replaces what the server holds, or the answer if nothing needs to be sent."""
        if isinstance(present, PeerError):
            return Answer(entry_status=EntryStatus.RETRY, cause="unreadable", text=present.message)
        if present is None:
            return self._absent(action)
        try:
            result = self._merged(action, present.resource, written)
        except StudyInvalid as error:
            return Answer(entry_status=EntryStatus.REFUSED, cause=error.cause, text=error.message, hint=error.hint)
        if result.is_shared:
            shared.add(action.key)
        if result.is_changed or action.force:
            return self._entry(action, present.version_id, orjson.dumps(result.resource))
        return _accepted(action, present.version_id)

    def _absent(self, action: Action) -> Entry | Answer:
        """The server does not hold it (any more): ours is created; what others created is left to them."""
        if action.is_foreign:
            return Answer(entry_status=EntryStatus.REFUSED, cause="patient_gone", text="not there any more")
        if action.verb is Verb.WITHDRAW:
            return _accepted(action, None)
        return self._entry(replace(action, fhir_id=self.strategy.fhir_id(action.key)), None)

    def _merged(self, action: Action, present: dict[str, Any], written: Written) -> Merged:
        ours = orjson.loads(bind(action.body, fhir_id=action.fhir_id, references=action.references))
        if action.is_foreign:
            changed = mapping.with_demographics(present, ours)
            return Merged(changed, is_changed=changed != present, is_shared=True)
        if self.ownership == "exclusive":
            return Merged(ours, is_changed=not is_alike(ours, present), is_shared=False)
        before = merge.last_written(written, present, self.conflict)
        if action.force:
            # Somebody wants our values back: what others changed is reset, what they added stays.
            restored = merge.merge(before, ours, present, Conflict.OURS).resource
            return merge.merge(None, ours, restored, Conflict.OURS)
        return merge.merge(before, ours, present, self.conflict)


def _accepted(action: Action, version_id: str | None) -> Answer:
    return Answer(entry_status=EntryStatus.ACCEPTED, fhir_id=action.fhir_id, version_id=version_id)
