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
    from indexer.sync.drain.endpoints import TargetSetup
    from indexer.sync.drain.resolve import Resolved, Resolver
    from indexer.sync.drain.send import Answers, BundleSender
    from indexer.sync.drain.write import ResourceWriter

_log = logging.getLogger(__name__)

MANY_NAMES = 3
"""A number that stands for this many names is warned about, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Brings a Bundle's worth of studies to their end."""

    resolver: Resolver
    writer: ResourceWriter
    setup: TargetSetup

    @property
    def sender(self) -> BundleSender:
        """Who sends, and knows what size of Bundle suits."""
        return self.writer.sender

    def write(self, resolved: Resolved, now: float, chance: float) -> list[Settlement]:
        """Write what is due of studies that were resolved; how each of them ends.

        Parameters
        ----------
        now
            Epoch seconds.
        chance
            A random number from 0 to 1, for the jitter of retries.

        Raises
        ------
        Interrupted
            If a stop was asked for while the server was out of reach.
        TargetReplaced
            If the server refuses entries and does not hold what it confirmed before.
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
        """Keys of Patients for want of which studies were refused; the ledger forgets them, so that they are looked up.

        Somebody deleted them, or merged them into others, behind our back.
        """
        suspects = sorted(
            {key for study in studies if (key := study.patient_key) and _is_suspect(study, plan, answers)}
        )
        held = self.sender.read([f"Patient/{plan.patients[key].fhir_id}" for key in suspects])
        gone = [key for key, present in zip(suspects, held, strict=True) if present is None]
        if gone:
            self.resolver.ledger.forget_patients(gone)
        return frozenset(gone)


def _is_suspect(study: MappedStudy, plan: WritePlan, answers: Answers) -> bool:
    """Whether something was refused, and that may be for want of a Patient that we did not write just now."""
    key = ResourceKey("Patient", study.patient_key or "")
    if plan.actions[key].is_due and not plan.actions[key].is_foreign:
        return False
    return any(answers[one].entry_status is EntryStatus.REFUSED for one in (key, study.key) if one in answers)


def warn_of_names(plan: WritePlan, state: TargetState) -> None:
    """Say once that one patient number stands for many names."""
    for key, patient in plan.patients.items():
        known = state.patients.get(key)
        if len(known.names if known else ()) < MANY_NAMES <= len(patient.names):
            _log.warning(
                "one patient number stands for many names; the name of the latest study is published",
                extra={"event": Event.PATIENT_NAMES_DIFFER, "count": len(patient.names)},
            )
