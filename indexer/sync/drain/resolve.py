"""Ask the FHIR server what only it knows, before a Bundle: which Patient is meant, where logical references lead.

All questions of a Bundle are asked together, one request for many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer import schedule
from indexer.errors import Refused, TooLarge
from indexer.halving import by_halves
from indexer.model import Deferred, Lookup, Patient, Quarantined, ResourceKey
from indexer.plan import MappedStudy, Mode, PatientPolicy, Strategy, TargetState, study_lookup
from indexer.sync.drain.read import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from indexer.errors import PeerError
    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.model import Settlement
    from indexer.sync.protocols import FhirTarget

FIRST_LOOK_S = 60.0
"""A study whose Patient is not there yet is read again after this long at the earliest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What the questions came to.

    Attributes
    ----------
    studies
        Studies that can be sent now.
    settlements
        Of studies that wait for their Patient, or that several Patients claim.
    """

    studies: Sequence[MappedStudy]
    settlements: Sequence[Settlement]
    state: TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Asks what has to be known of the FHIR server before studies can be sent.

    Attributes
    ----------
    looks_for_studies
        Whether a study that the ledger never published may stand there nevertheless, and must not be overwritten.
    tries
        Failures of the server after which the last is raised; None waits as long as it takes.
    """

    ledger: Ledger
    target: FhirTarget
    health: ServerHealth
    policy: PatientPolicy
    strategy: Strategy
    looks_for_studies: bool = True
    tries: int | None = None

    def resolve(self, studies: Sequence[MappedStudy], now: float) -> Resolved:
        """Answer every open question of these studies.

        Parameters
        ----------
        now
            Epoch seconds.

        Raises
        ------
        Interrupted
            If a stop was asked for while the server was out of reach.
        Refused
            If the server cannot search.
        """
        known = self.ledger.patients(_patient_keys(studies))
        unknown = {
            study.patient_key: study for study in studies if study.patient_key and study.patient_key not in known
        }
        found = self._found(studies, unknown.values())
        matched = {key: self._matched(study, found) for key, study in unknown.items()}
        state = TargetState(
            patients={**known, **{key: patient for key, patient in matched.items() if key and patient is not None}},
            found=found,
        )
        settlements = {study.key: self._without_patient(study, state, now) for study in studies}
        return Resolved(
            studies=[study for study in studies if settlements[study.key] is None],
            settlements=[settlement for settlement in settlements.values() if settlement is not None],
            state=state,
        )

    def renewed(self, studies: Sequence[MappedStudy], state: TargetState, endpoints: Mapping[str, str]) -> TargetState:
        """What is known by now: the Bundle before this one may have made or changed some of the Patients.

        Parameters
        ----------
        endpoints
            Ids of the Endpoints, by source.
        """
        patients = {**state.patients, **self.ledger.patients(_patient_keys(studies))}
        return replace(state, patients=patients, endpoints=endpoints)

    def _found(
        self, studies: Sequence[MappedStudy], unknown: Iterable[MappedStudy]
    ) -> dict[Lookup, tuple[str, ...] | None]:
        """What the server answers; what it will not look for, however that is worded, stops no other."""
        lookups = [lookup for study in studies for lookup in study.lookups]
        if self.policy.mode is not Mode.CREATE:
            lookups += [study.patient_lookup for study in unknown]
        if self.looks_for_studies:
            lookups += [study_lookup(study.key.key) for study in studies if study.task.published is None]
        answers: list[tuple[Lookup, tuple[str, ...] | None]] = by_halves(
            lambda lookups: [*self._look_up(lookups).items()],
            list(dict.fromkeys(lookups)),
            error=(Refused, TooLarge),
            alone=self._not_searched,
        )
        return dict(answers)

    def _look_up(self, lookups: Sequence[Lookup]) -> Mapping[Lookup, tuple[str, ...]]:
        return self.health.call("search", lambda: self.target.look_up(lookups), tries=self.tries)

    def _not_searched(self, lookup: Lookup, error: PeerError) -> tuple[Lookup, None]:
        """The server will not look for this one; does it look for anything at all of its type?"""
        if isinstance(error, Refused):
            try:
                self._look_up([Lookup(lookup.type, "urn:dicom:uid", "urn:oid:0.0")])
            except Refused:
                raise Refused(error.message, peer=error.peer, status=error.status, hint=_CANNOT_SEARCH) from None
        return lookup, None

    def _matched(self, study: MappedStudy, found: Mapping[Lookup, tuple[str, ...] | None]) -> Patient | None:
        """The Patient that bears a study's number; one of our own id was made by us, before a ledger was lost."""
        bearers = found.get(study.patient_lookup) or ()
        if self.policy.mode is Mode.CREATE or len(bearers) != 1 or study.patient is None:
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
        """How a study ends that has no Patient to refer to; None if it has, or if one is made."""
        if study.patient_key is None or study.patient_key in state.patients or self.policy.mode is Mode.CREATE:
            return None
        bearers = state.found.get(study.patient_lookup)
        if bearers is None:
            return Quarantined(task=study.task, cause="invalid", text=_NOT_SEARCHED, hint=_NOT_SEARCHED_HINT)
        if bearers:
            return Quarantined(task=study.task, cause="patient_ambiguous", text=_AMBIGUOUS, hint=_AMBIGUOUS_HINT)
        if self.policy.mode is not Mode.MATCH:
            return None
        due_in_s = schedule.patience_s(now - study.task.first_event_at, first_s=FIRST_LOOK_S, most_s=WAIT_S[1])
        return Deferred(task=study.task, due_in_s=due_in_s, cause="patient_not_found")


def _patient_keys(studies: Iterable[MappedStudy]) -> list[str]:
    return sorted({study.patient_key for study in studies if study.patient_key is not None})


_AMBIGUOUS = "Several Patients of the FHIR server bear this patient's identifier."
_AMBIGUOUS_HINT = "Merge them in the FHIR server, or take the identifier from the wrong ones; then replay this study."
_NOT_SEARCHED = "The FHIR server refuses to look for this patient's identifier, though it looks for others."
_NOT_SEARCHED_HINT = "See the server's own log; correct the PatientID in the archive if it is odd, then replay."
_CANNOT_SEARCH = (
    "This FHIR server cannot search by identifier. 'patients.mode: create' or 'logical', 'mapping.resolve: []' and "
    "'ownership: exclusive' do without it."
)
