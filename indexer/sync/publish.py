"""Publish prepared studies: look what the FHIR server holds, write what is due, and say how each study ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.bundle import Judgement
from indexer.sync.outbox import Outcome, drafts_of, plan_patients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.model import Settlement
    from indexer.sync.deliver import Answers, Deliverer
    from indexer.sync.lookup import Scout
    from indexer.sync.outbox import PatientPlan
    from indexer.sync.ownership import Keeper
    from indexer.sync.prepare import Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Brings a Bundle's worth of studies to their end."""

    scout: Scout
    keeper: Keeper

    @property
    def deliverer(self) -> Deliverer:
        """Who sends, and knows what size of Bundle suits."""
        return self.keeper.deliverer

    def publish(self, prepared: Sequence[Prepared], now: float, chance: float) -> list[Settlement]:
        """Look, write, and settle.

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
        Refused
            If the server cannot search, and has to.
        TargetReplaced
            If the server refuses entries and does not hold what it confirmed before.
        """
        if not prepared:
            return []
        looked = self.scout.look(prepared, now)
        patients = plan_patients(looked.ready, looked.patients, self.scout.policy)
        answers = self.keeper.write(drafts_of(looked.ready, patients, looked.there))
        gone = self._gone(looked.ready, patients, answers)
        outcome = Outcome(patients=patients, answers=answers, now=now, chance=chance, gone=gone)
        return [*looked.settled, *map(outcome.of, looked.ready)]

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
        held = self.deliverer.fetch([f"Patient/{row.fhir_id}" for row in suspects.values()])
        gone = [key for key, found in zip(suspects, held, strict=True) if found is None]
        if gone:
            self.scout.patience.with_ledger(lambda: self.scout.ledger.forget_patients(gone))
        return frozenset(gone)


def _is_suspect(one: Prepared, patient: PatientPlan, answers: Answers) -> bool:
    """Whether something was refused, and that may be for want of a Patient that we did not write just now."""
    if patient.draft is not None and not patient.draft.is_foreign:
        return False
    references = [*([patient.draft.reference] if patient.draft else []), *([one.entry.reference] * one.is_changed)]
    return any(answers[reference].judgement is Judgement.REFUSED for reference in references)
