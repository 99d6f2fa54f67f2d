"""Which Patient a study refers to, and when it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.model.choices import PatientCheck, PatientMode

if TYPE_CHECKING:
    from typing import TypeGuard

    from indexer.model import Lookup, Patient
    from indexer.model.choices import DemographicsUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientPolicy:
    """How Patients are found and kept up to date.

    Attributes
    ----------
    update
        Whether name, gender and birth date of an existing Patient follow the archive: never, if we created it, or
        always.
    check
        What becomes of a study whose Patient, one of others, seems to be another person.
    """

    mode: PatientMode = PatientMode.MATCH_OR_CREATE
    update: DemographicsUpdate = "when_ours"
    check: PatientCheck = PatientCheck.WARN

    def searches(self, identifier: Lookup | None) -> TypeGuard[Lookup]:
        """Whether the FHIR server is searched for the Patient with this identifier."""
        return identifier is not None and self.mode is not PatientMode.CREATE

    def compares(self, patient: Patient) -> bool:
        """Whether studies are compared with this Patient: only with one that others made."""
        return self.check is not PatientCheck.OFF and not patient.is_ours

    def is_due(self, known: Patient | None, stated: Patient) -> bool:
        """Whether the Patient must be written: it is new, or a study that is not older states something else."""
        if known is None:
            return True
        follows = self.update == "always" or (self.update == "when_ours" and known.is_ours)
        return follows and known.fingerprint != stated.fingerprint and stated.basis >= known.basis
