"""Whose Patient a study refers to, who writes it, and when."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from indexer.log import Event
from indexer.model import Patient
from indexer.sync.ownership import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.bundle import Entry
    from indexer.model import Lookup
    from indexer.sync.prepare import Prepared

_log = logging.getLogger(__name__)

MANY_NAMES = 3
"""A number that stands for this many names is warned about, once."""


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
    update: Literal["never", "when_ours", "always"] = "when_ours"

    def is_due(self, known: Patient | None, seen: Patient) -> bool:
        """Whether the Patient has to be written: it is new, or a study at least as late says something else."""
        if known is None:
            return True
        follows = self.update == "always" or (self.update == "when_ours" and known.is_ours)
        return follows and known.fingerprint != seen.fingerprint and seen.basis >= known.basis


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPatient:
    """What one study says of its patient.

    Attributes
    ----------
    row
        What the ledger would know of the Patient that we would make.
    entry
        That Patient.
    lookup
        Its identifier.
    """

    row: Patient
    entry: Entry
    lookup: Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientPlan:
    """What becomes of one Patient in one Bundle.

    Attributes
    ----------
    draft
        None if what the server holds stays.
    row
        What the ledger knows once the Bundle is in.
    """

    draft: Draft | None
    row: Patient


def plan_patients(
    prepared: Sequence[Prepared], known: Mapping[str, Patient], policy: PatientPolicy
) -> dict[str, PatientPlan]:
    """One plan per patient: of several studies in a Bundle the latest speaks for the Patient.

    Parameters
    ----------
    known
        What the server holds, by patient key.
    """
    by_key: dict[str, list[Prepared]] = defaultdict(list)
    for one in prepared:
        if one.patient is not None:
            by_key[one.patient.row.patient_key].append(one)
    return {key: _plan(group, known.get(key), policy) for key, group in by_key.items()}


def _plan(group: Sequence[Prepared], known: Patient | None, policy: PatientPolicy) -> PatientPlan:
    stated = [one.patient for one in group if one.patient is not None]
    latest = max(stated, key=lambda one: one.row.basis)
    is_due = policy.is_due(known, latest.row)
    names = _names(known, stated)
    row = replace(known, names=names) if known else replace(latest.row, names=names)
    if not is_due:
        return PatientPlan(draft=None, row=row)
    row = replace(row, fingerprint=latest.row.fingerprint, basis=latest.row.basis)
    is_abandoned = any(one.task.is_abandoned and not one.task.force for one in group)
    draft = Draft(
        entry=replace(latest.entry, fhir_id=row.fhir_id),
        version_id=row.version_id,
        is_shared=row.is_shared,
        is_new=known is None and policy.mode is not Mode.CREATE,
        is_foreign=not row.is_ours,
        is_abandoned=is_abandoned,
    )
    return PatientPlan(draft=draft, row=row)


def _names(known: Patient | None, stated: Sequence[StatedPatient]) -> tuple[str, ...]:
    seen = known.names if known else ()
    names = tuple(dict.fromkeys([*seen, *(name for one in stated for name in one.row.names)]))[: Patient.MAX_NAMES]
    if len(seen) < MANY_NAMES <= len(names):
        _log.warning(
            "one patient number stands for many names; the name of the latest study is published",
            extra={"event": Event.PATIENT_NAMES_DIFFER, "count": len(names)},
        )
    return names
