"""Ask the FHIR server what only it knows: which Patient a study means, and what its logical references lead to.

All questions of one Bundle are asked together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from indexer import schedule
from indexer.model import Deferred, Patient, Quarantined, ResourceKey
from indexer.model.choices import PatientCheck, PatientMode
from indexer.plan import (
    MappedStudy,
    PatientPolicy,
    Strategy,
    TargetState,
    demographics_digest,
    is_mismatch,
    study_lookup,
)
from indexer.sync.merged_patients import SuccessorReader
from indexer.sync.search import Bearers, IdentifierSearch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.model import Lookup, Settlement
    from indexer.sync.merged_patients import Successors
    from indexer.sync.protocols import FhirTarget

FIRST_RECHECK_S = 60.0
"""A study whose Patient does not exist yet is read again after this long at the earliest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What the FHIR server answered.

    Attributes
    ----------
    studies
        Studies that can be sent now.
    settlements
        Of the others: they wait for their Patient, several Patients match, or it seems to be another person.
    """

    studies: Sequence[MappedStudy]
    settlements: Sequence[Settlement]
    state: TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Asks the FHIR server what must be known before studies can be sent.

    Attributes
    ----------
    searches_studies
        Whether the server may hold a study that the ledger never published, which must not be overwritten.
    tries
        Failures of the server after which the last one is raised; None waits as long as it takes.
    """

    ledger: Ledger
    target: FhirTarget
    health: ServerHealth
    policy: PatientPolicy
    strategy: Strategy
    searches_studies: bool = True
    tries: int | None = None

    def resolve(self, studies: Sequence[MappedStudy], now: float) -> Resolved:
        """Answer every open question about these studies; raises `Refused` if the server cannot search."""
        known = self.ledger.patients(_patient_keys(studies))
        unknown = {
            study.patient_key: study for study in studies if study.patient_key and study.patient_key not in known
        }
        search = IdentifierSearch(target=self.target, health=self.health, tries=self.tries)
        bearers = search.bearers(self._lookups(studies, unknown.values()))
        written = _patient_keys(study for study in studies if not _is_unchanged(study, known))
        at_stake = [known[key] for key in written if key in known]
        successors = self._successors(bearers, at_stake)
        hits = {lookup: _hits(resources, successors) for lookup, resources in bearers.items()}
        moved = self._moved(at_stake, successors)
        patients = {**known, **self._matches(unknown, hits), **moved}
        state = TargetState(patients=patients, moved=moved, hits=hits)
        compared = [self._compared(study, state, successors) for study in studies]
        settlements = {study.key: self._held(study) or self._without_patient(study, state, now) for study in compared}
        return Resolved(
            studies=[study for study in compared if settlements[study.key] is None],
            settlements=[settlement for settlement in settlements.values() if settlement is not None],
            state=state,
        )

    def renewed(self, studies: Sequence[MappedStudy], state: TargetState, endpoints: Mapping[str, str]) -> TargetState:
        """The state as of now: the previous Bundle may have created or changed some of the Patients."""
        patients = {**state.patients, **self.ledger.patients(_patient_keys(studies)), **state.moved}
        return replace(state, patients=patients, endpoints=endpoints)

    def _lookups(self, studies: Sequence[MappedStudy], unknown: Iterable[MappedStudy]) -> list[Lookup]:
        """Identifiers to search for."""
        lookups = [lookup for study in studies for lookup in study.lookups]
        lookups += [study.patient_lookup for study in unknown if self.policy.searches(study.patient_lookup)]
        if self.searches_studies:
            lookups += [study_lookup(study.key.key) for study in studies if study.task.published is None]
        return lookups

    def _successors(self, bearers: Bearers, known: Iterable[Patient]) -> Successors:
        """Who stands for the Patients that a search returned, and for those that studies to be written refer to."""
        patients = {
            _reference(resource): resource
            for lookup, resources in bearers.items()
            if lookup.type == "Patient"
            for resource in resources or ()
        }
        reader = SuccessorReader(target=self.target, health=self.health, tries=self.tries)
        return reader.read([f"Patient/{patient.fhir_id}" for patient in known], patients)

    def _moved(self, known: Iterable[Patient], successors: Successors) -> dict[str, Patient]:
        """Known Patients that were merged into others, as those others."""
        moved: dict[str, Patient] = {}
        for patient in known:
            reference = f"Patient/{patient.fhir_id}"
            end = successors.of(reference)
            if end != reference:
                merged = self._match(patient.patient_key, end)
                moved[patient.patient_key] = replace(merged, names=patient.names, decided_for=patient.decided_for)
        return moved

    def _matches(
        self, unknown: Mapping[str, MappedStudy], hits: Mapping[Lookup, tuple[str, ...] | None]
    ) -> dict[str, Patient]:
        """The only Patient with each patient number; it is ours if its id is, though the ledger was lost."""
        matches: dict[str, Patient] = {}
        for key, study in unknown.items():
            bearers = (study.patient_lookup and hits.get(study.patient_lookup)) or ()
            if len(bearers) == 1:
                matches[key] = self._match(key, bearers[0])
        return matches

    def _match(self, patient_key: str, reference: str) -> Patient:
        key, fhir_id = ResourceKey("Patient", patient_key), reference.partition("/")[2]
        return Patient(
            patient_key=key.key,
            fhir_id=fhir_id,
            fingerprint="",
            basis="",
            is_ours=fhir_id == self.strategy.fhir_id(key),
            is_shared=True,
        )

    def _compared(self, study: MappedStudy, state: TargetState, successors: Successors) -> MappedStudy:
        """The study, with what is to be said if its Patient seems to be another person."""
        patient = state.patients.get(study.patient_key or "")
        if patient is None or not self.policy.compares(patient) or _is_unchanged(study, state.patients):
            return study
        archive = orjson.loads(study.patient_body)
        if patient.decided_for == demographics_digest(archive):
            return study
        present = successors.patients.get(f"Patient/{patient.fhir_id}") or {}
        return replace(study, patient_mismatch=is_mismatch(archive, present))

    def _held(self, study: MappedStudy) -> Settlement | None:
        if study.patient_mismatch and self.policy.check is PatientCheck.HOLD:
            return Quarantined(task=study.task, cause="patient_mismatch", text=_MISMATCH, hint=_MISMATCH_HINT)
        return None

    def _without_patient(self, study: MappedStudy, state: TargetState, now: float) -> Settlement | None:
        """How a study ends that has no Patient to refer to; None if there is one, or one will be created."""
        if study.patient_key is None or study.patient_key in state.patients:
            return None
        if not self.policy.searches(study.patient_lookup):
            return None
        bearers = state.hits.get(study.patient_lookup)
        if bearers is None:
            return Quarantined(task=study.task, cause="invalid", text=_NOT_SEARCHED, hint=_NOT_SEARCHED_HINT)
        if bearers:
            return Quarantined(task=study.task, cause="patient_ambiguous", text=_AMBIGUOUS, hint=_AMBIGUOUS_HINT)
        if self.policy.mode is not PatientMode.MATCH:
            return None
        due_in_s = schedule.recheck_s(now - study.task.first_event_at, first_s=FIRST_RECHECK_S)
        return Deferred(task=study.task, due_in_s=due_in_s, cause="patient_not_found")


def _reference(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _hits(resources: Sequence[dict[str, Any]] | None, successors: Successors) -> tuple[str, ...] | None:
    """References to these resources, each once; Patients that were merged into one count as that one."""
    if resources is None:
        return None
    return tuple(dict.fromkeys(successors.of(_reference(resource)) for resource in resources))


def _is_unchanged(study: MappedStudy, known: Mapping[str, Patient]) -> bool:
    """Whether the server confirmed the study with a reference to the Patient that is known."""
    patient, published = known.get(study.patient_key or ""), study.task.published
    if not study.is_confirmed or patient is None or published is None:
        return False
    return f"Patient/{patient.fhir_id}" in published.references.split()


def _patient_keys(studies: Iterable[MappedStudy]) -> list[str]:
    return sorted({study.patient_key for study in studies if study.patient_key is not None})


_MISMATCH = "The Patient with this patient's identifier has another birth date, and another family name or sex."
_MISMATCH_HINT = (
    "Correct the PatientID in the archive or the Patient, then replay; or name the right Patient: "
    "'quarantine resolve UID --patient ID'."
)
_AMBIGUOUS = "Several Patients on the FHIR server have this patient's identifier."
_AMBIGUOUS_HINT = (
    "Merge them on the FHIR server, or remove the identifier from the wrong ones, then replay this study; or name the "
    "right one: 'quarantine resolve UID --patient ID'."
)
_NOT_SEARCHED = "The FHIR server refuses to search for this patient's identifier, but not for others."
_NOT_SEARCHED_HINT = "See the server's own log; correct the PatientID in the archive if it is odd, then replay."
