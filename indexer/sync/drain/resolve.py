"""Ask the FHIR server what only it knows: which Patient a study means, and what its logical references lead to.

All questions of one Bundle are asked together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer import schedule
from indexer.errors import Refused, TooLarge
from indexer.halving import by_halves
from indexer.model import Deferred, Lookup, Patient, Quarantined, ResourceKey
from indexer.model.choices import PatientMode
from indexer.plan import MappedStudy, PatientPolicy, Strategy, TargetState, study_lookup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from indexer.errors import PeerError
    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.model import Settlement
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
        Of the others: they wait for their Patient, or several Patients match.
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
        hits = self._search(studies, unknown.values())
        matched = {key: self._matched(study, hits) for key, study in unknown.items()}
        state = TargetState(
            patients={**known, **{key: patient for key, patient in matched.items() if key and patient is not None}},
            hits=hits,
        )
        settlements = {study.key: self._without_patient(study, state, now) for study in studies}
        return Resolved(
            studies=[study for study in studies if settlements[study.key] is None],
            settlements=[settlement for settlement in settlements.values() if settlement is not None],
            state=state,
        )

    def renewed(self, studies: Sequence[MappedStudy], state: TargetState, endpoints: Mapping[str, str]) -> TargetState:
        """The state as of now: the previous Bundle may have created or changed some of the Patients."""
        patients = {**state.patients, **self.ledger.patients(_patient_keys(studies))}
        return replace(state, patients=patients, endpoints=endpoints)

    def _search(
        self, studies: Sequence[MappedStudy], unknown: Iterable[MappedStudy]
    ) -> dict[Lookup, tuple[str, ...] | None]:
        """What bears each identifier; None if the server refuses to search for it, which stops no other."""
        lookups = [lookup for study in studies for lookup in study.lookups]
        lookups += [study.patient_lookup for study in unknown if self.policy.searches(study.patient_lookup)]
        if self.searches_studies:
            lookups += [study_lookup(study.key.key) for study in studies if study.task.published is None]
        hits: list[tuple[Lookup, tuple[str, ...] | None]] = by_halves(
            lambda lookups: [*self._look_up(lookups).items()],
            list(dict.fromkeys(lookups)),
            error=(Refused, TooLarge),
            alone=self._not_searched,
        )
        return dict(hits)

    def _look_up(self, lookups: Sequence[Lookup]) -> Mapping[Lookup, tuple[str, ...]]:
        return self.health.call("search", lambda: self.target.look_up(lookups), tries=self.tries)

    def _not_searched(self, lookup: Lookup, error: PeerError) -> tuple[Lookup, None]:
        """The server refuses to search for this one. If it refuses a harmless search as well, it cannot search."""
        if isinstance(error, Refused):
            try:
                self._look_up([Lookup(lookup.type, "urn:dicom:uid", "urn:oid:0.0")])
            except Refused:
                raise Refused(error.message, peer=error.peer, status=error.status, hint=_CANNOT_SEARCH) from None
        return lookup, None

    def _matched(self, study: MappedStudy, hits: Mapping[Lookup, tuple[str, ...] | None]) -> Patient | None:
        """The only Patient with a study's patient number; it is ours if its id is, though the ledger was lost."""
        bearers = (study.patient_lookup and hits.get(study.patient_lookup)) or ()
        if len(bearers) != 1 or study.patient is None:
            return None
        fhir_id = bearers[0].partition("/")[2]
        key = ResourceKey("Patient", study.patient.patient_key)
        return Patient(
            patient_key=key.key,
            fhir_id=fhir_id,
            fingerprint="",
            basis="",
            is_ours=fhir_id == self.strategy.fhir_id(key),
            is_shared=True,
        )

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


def _patient_keys(studies: Iterable[MappedStudy]) -> list[str]:
    return sorted({study.patient_key for study in studies if study.patient_key is not None})


_AMBIGUOUS = "Several Patients on the FHIR server have this patient's identifier."
_AMBIGUOUS_HINT = "Merge them on the FHIR server, or remove the identifier from the wrong ones; then replay this study."
_NOT_SEARCHED = "The FHIR server refuses to search for this patient's identifier, but not for others."
_NOT_SEARCHED_HINT = "See the server's own log; correct the PatientID in the archive if it is odd, then replay."
_CANNOT_SEARCH = (
    "This FHIR server cannot search by identifier. To work without searching, set 'patients.mode: create' or "
    "'logical', 'mapping.resolve: []' and 'ownership: exclusive'."
)
