"""Publish studies: plan, write what is due, and say how each study ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.bundle import EntryStatus
from indexer.log import Event
from indexer.model import Deferred, ResourceKey
from indexer.plan import plan_writes
from indexer.sync.drain.read import AGAIN_S
from indexer.sync.drain.settle import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.model import Settlement
    from indexer.plan import MappedStudy, TargetState, WritePlan
    from indexer.sync.drain.answers import Answers
    from indexer.sync.drain.endpoints import TargetSetup
    from indexer.sync.drain.resolve import Resolved, Resolver
    from indexer.sync.drain.send import BundleSender
    from indexer.sync.drain.write import ResourceWriter

_log = logging.getLogger(__name__)

MANY_NAMES = 3
"""A patient number with this many names is warned about, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Plans, writes and settles the studies of one Bundle."""

    resolver: Resolver
    writer: ResourceWriter
    setup: TargetSetup

    @property
    def sender(self) -> BundleSender:
        return self.writer.sender

    def write(self, resolved: Resolved, now: float, chance: float) -> list[Settlement]:
        """Write what is due of resolved studies, and say how each ends; raises as `BundleSender.deliver`.

        Parameters
        ----------
        chance
            A random number from 0 to 1, for the jitter of retries.
        """
        endpoints = self.setup.endpoint_ids({study.source for study in resolved.studies})
        studies = [study for study in resolved.studies if study.source in endpoints]
        state = self.resolver.renewed(studies, resolved.state, endpoints)
        plan = plan_writes(studies, state, self.resolver.policy, self.resolver.strategy)
        warn_of_names(plan, state)
        answers = self.writer.write(plan)
        gone = self._gone(studies, plan, answers)
        outcome = Outcome(plan=plan, answers=answers, now=now, chance=chance, gone=gone)
        return [
            outcome.of(study)
            if study.source in endpoints
            else Deferred(task=study.task, due_in_s=AGAIN_S, cause="source_unavailable")
            for study in resolved.studies
        ]

    def _gone(self, studies: Sequence[MappedStudy], plan: WritePlan, answers: Answers) -> frozenset[str]:
        """Keys of Patients whose absence made the server refuse studies: somebody deleted or merged them.

        The ledger forgets them, so that they are searched for again.
        """
        suspects = sorted(
            {key for study in studies if (key := study.patient_key) and _is_suspect(study, plan, answers)}
        )
        current = self.sender.read([f"Patient/{plan.patients[key].fhir_id}" for key in suspects])
        gone = [key for key, present in zip(suspects, current, strict=True) if present is None]
        if gone:
            self.resolver.ledger.forget_patients(gone)
        return frozenset(gone)


def _is_suspect(study: MappedStudy, plan: WritePlan, answers: Answers) -> bool:
    """Whether something was refused, perhaps because a Patient is missing that we did not write just now."""
    patient = ResourceKey("Patient", study.patient_key or "")
    if plan.actions[patient].is_due and not plan.actions[patient].is_foreign:
        return False
    return any(answers[key].entry_status is EntryStatus.REFUSED for key in (patient, study.key) if key in answers)


def warn_of_names(plan: WritePlan, state: TargetState) -> None:
    """Log once that a patient number has many names."""
    for key, patient in plan.patients.items():
        known = state.patients.get(key)
        if len(known.names if known else ()) < MANY_NAMES <= len(patient.names):
            _log.warning(
                "one patient number has many names; the name of the latest study is published",
                extra={"event": Event.PATIENT_NAMES_DIFFER, "count": len(patient.names)},
            )
