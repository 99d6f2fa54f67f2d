"""Publish studies: write what is due, and say how each study ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.bundle import EntryStatus
from indexer.sync.drain.write_plan import Outcome, drafts_of, plan_patients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.model import Patient, Settlement
    from indexer.sync.drain.prepared import Prepared
    from indexer.sync.drain.resolve import Resolved, Resolver
    from indexer.sync.drain.send import Answers, BundleSender
    from indexer.sync.drain.write import ResourceWriter
    from indexer.sync.drain.write_plan import PatientPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Brings a Bundle's worth of studies to their end."""

    resolver: Resolver
    writer: ResourceWriter

    @property
    def sender(self) -> BundleSender:
        """Who sends, and knows what size of Bundle suits."""
        return self.writer.sender

    def write(self, resolved: Resolved, now: float, chance: float) -> list[Settlement]:
        """Write what is due of studies that were looked up; how each of them ends.

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
        if not resolved.ready:
            return []
        patients = plan_patients(resolved.ready, self._known(resolved), self.resolver.policy)
        answers = self.writer.write(drafts_of(resolved.ready, patients, resolved.there))
        gone = self._gone(resolved.ready, patients, answers)
        outcome = Outcome(patients=patients, answers=answers, now=now, chance=chance, gone=gone)
        return [outcome.of(one) for one in resolved.ready]

    def _known(self, resolved: Resolved) -> Mapping[str, Patient]:
        """Patients that the server holds by now: the Bundle before this one may have made some of them."""
        keys = sorted({one.patient.row.patient_key for one in resolved.ready if one.patient is not None})
        return {**resolved.patients, **self.resolver.ledger.patients(keys)}

    def _gone(
        self, prepared: Sequence[Prepared], patients: Mapping[str, PatientPlan], answers: Answers
    ) -> frozenset[str]:
        """Keys of Patients for want of which studies were refused; the ledger forgets them, so that they are looked up.

        Somebody deleted them, or merged them into others, behind our back.
        """
        suspects = {
            one.patient.row.patient_key: patients[one.patient.row.patient_key].row
            for one in prepared
            if one.patient is not None and _is_suspect(one, patients[one.patient.row.patient_key], answers)
        }
        held = self.sender.read([f"Patient/{row.fhir_id}" for row in suspects.values()])
        gone = [key for key, found in zip(suspects, held, strict=True) if found is None]
        if gone:
            self.resolver.ledger.forget_patients(gone)
        return frozenset(gone)


def _is_suspect(one: Prepared, patient: PatientPlan, answers: Answers) -> bool:
    """Whether something was refused, and that may be for want of a Patient that we did not write just now."""
    if patient.draft is not None and not patient.draft.is_foreign:
        return False
    references = [*([patient.draft.reference] if patient.draft else []), *([one.entry.reference] * one.is_changed)]
    return any(answers[reference].entry_status is EntryStatus.REFUSED for reference in references)
