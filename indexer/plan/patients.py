"""Whose Patient a study refers to, and when it is written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.model import Patient
    from indexer.model.choices import DemographicsUpdate


class Mode(StrEnum):
    """Where the Patient comes from that a study refers to."""

    MATCH_OR_CREATE = "match_or_create"
    MATCH = "match"
    CREATE = "create"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientPolicy:
    """How Patients are found and kept.

    Attributes
    ----------
    mode
        Whether a Patient that is there already is looked for, and whether one is made.
    update
        Whether name, gender and birth date follow the archive after a Patient was made: never, in the Patients that we
        made, or in those of others, too.
    """

    mode: Mode = Mode.MATCH_OR_CREATE
    update: DemographicsUpdate = "when_ours"

    def is_due(self, known: Patient | None, stated: Patient) -> bool:
        """Whether the Patient has to be written: it is new, or a study at least as late says something else."""
        if known is None:
            return True
        follows = self.update == "always" or (self.update == "when_ours" and known.is_ours)
        return follows and known.fingerprint != stated.fingerprint and stated.basis >= known.basis
