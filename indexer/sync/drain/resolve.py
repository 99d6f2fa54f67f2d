"""Looks into the FHIR server before a Bundle: which Patient is meant, what logical references lead to, what is there.

All questions of a Bundle are asked together, one request for many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer import schedule
from indexer.errors import Refused, TooLarge
from indexer.model import Deferred, Lookup, Patient, Quarantined
from indexer.sync.drain.patients import Mode
from indexer.sync.drain.prepared import complete
from indexer.sync.drain.read import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.model import Settlement
    from indexer.sync.drain.patients import PatientPolicy, StatedPatient
    from indexer.sync.drain.prepared import Prepared
    from indexer.sync.protocols import FhirTarget

FIRST_LOOK_S = 60.0
"""A study whose Patient is not there yet is read again after this long at the earliest."""

_Found = dict[Lookup, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What the looks came to.

    Attributes
    ----------
    ready
        Studies that can be sent now.
    settled
        Studies that wait for their Patient, or that several Patients claim.
    patients
        Patients that the server holds, by key.
    there
        References of studies that stand in the server although the ledger does not know of it.
    """

    ready: list[Prepared]
    settled: list[Settlement]
    patients: Mapping[str, Patient]
    there: frozenset[str]


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
    looks_for_studies: bool = True
    tries: int | None = None

    def resolve(self, prepared: Sequence[Prepared], now: float) -> Resolved:
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
        stated = {one.patient.row.patient_key: one.patient for one in prepared if one.patient is not None}
        known = dict(self.ledger.patients(sorted(stated)))
        unknown = {key: one for key, one in stated.items() if key not in known}
        found = self._found(prepared, unknown)
        looks = self.policy.mode is not Mode.CREATE
        hits = {key: found.get(one.lookup) for key, one in unknown.items()} if looks else {}
        known |= {key: _matched(unknown[key], some[0]) for key, some in hits.items() if some and len(some) == 1}
        resolved = Resolved(ready=[], settled=[], patients=known, there=_there(prepared, found))
        for one in prepared:
            settlement = self._without_patient(one, known, hits, now)
            if settlement is not None:
                resolved.settled.append(settlement)
            else:
                resolved.ready.append(self._completed(one, known, found))
        return resolved

    def _found(self, prepared: Sequence[Prepared], unknown: Mapping[str, StatedPatient]) -> _Found:
        lookups = [lookup for one in prepared for lookup in one.lookups]
        if self.policy.mode is not Mode.CREATE:
            lookups += [one.lookup for one in unknown.values()]
        if self.looks_for_studies:
            lookups += [_study_lookup(one) for one in prepared if one.task.published is None]
        if not lookups:
            return {}
        return self._asked(list(dict.fromkeys(lookups)))

    def _asked(self, lookups: Sequence[Lookup]) -> _Found:
        """Answers; what the server will not look for is left out, however it is worded: it stops nobody else."""
        try:
            return dict(self.health.call("search", lambda: self.target.look_up(lookups), tries=self.tries))
        except (Refused, TooLarge) as error:
            if isinstance(error, Refused):
                self._check_search({one.type for one in lookups}, error)
            middle = len(lookups) // 2
            return self._asked(lookups[:middle]) | self._asked(lookups[middle:]) if middle else {}

    def _check_search(self, types: Iterable[str], refused: Refused) -> None:
        """Whether the server looks for anything at all, of these types."""
        harmless = [Lookup(one, "urn:dicom:uid", "urn:oid:0.0") for one in sorted(types)]
        try:
            self.health.call("search", lambda: self.target.look_up(harmless), tries=self.tries)
        except Refused:
            raise Refused(refused.message, peer=refused.peer, status=refused.status, hint=_CANNOT_SEARCH) from None

    def _without_patient(
        self, one: Prepared, known: Mapping[str, Patient], hits: Mapping[str, tuple[str, ...] | None], now: float
    ) -> Settlement | None:
        """How a study ends that has no Patient to refer to."""
        if one.patient is None or one.patient.row.patient_key in known:
            return None
        some = hits.get(one.patient.row.patient_key, ())
        if some is None:
            return Quarantined(task=one.task, cause="invalid", text=_NOT_SEARCHED, hint=_NOT_SEARCHED_HINT)
        if some:
            return Quarantined(task=one.task, cause="patient_ambiguous", text=_AMBIGUOUS, hint=_AMBIGUOUS_HINT)
        if self.policy.mode is not Mode.MATCH:
            return None
        due_in_s = schedule.patience_s(now - one.task.first_event_at, first_s=FIRST_LOOK_S, most_s=WAIT_S[1])
        return Deferred(task=one.task, due_in_s=due_in_s, cause="patient_not_found")

    def _completed(self, one: Prepared, known: Mapping[str, Patient], found: _Found) -> Prepared:
        patient = known.get(one.patient.row.patient_key) if one.patient is not None else None
        references = {lookup: found[lookup][0] for lookup in one.lookups if len(found.get(lookup, ())) == 1}
        return complete(one, patient, references, self.policy)


def _study_lookup(one: Prepared) -> Lookup:
    return Lookup("ImagingStudy", "urn:dicom:uid", f"urn:oid:{one.task.study_instance_uid}")


def _there(prepared: Sequence[Prepared], found: _Found) -> frozenset[str]:
    """Studies that stand there, and those that the server would not look for: they may."""
    mine = ((one.entry.reference, found.get(_study_lookup(one))) for one in prepared)
    return frozenset(reference for reference, bearers in mine if bearers is None or reference in bearers)


def _matched(stated: StatedPatient, reference: str) -> Patient:
    """A Patient that is there already; one of our own id was made by us, before a ledger was lost."""
    fhir_id = reference.partition("/")[2]
    is_ours = fhir_id == stated.row.fhir_id
    return Patient(
        patient_key=stated.row.patient_key, fhir_id=fhir_id, fingerprint="", basis="", is_ours=is_ours, is_shared=True
    )


_AMBIGUOUS = "Several Patients of the FHIR server bear this patient's identifier."
_AMBIGUOUS_HINT = "Merge them in the FHIR server, or take the identifier from the wrong ones; then replay this study."
_NOT_SEARCHED = "The FHIR server refuses to look for this patient's identifier, though it looks for others."
_NOT_SEARCHED_HINT = "See the server's own log; correct the PatientID in the archive if it is odd, then replay."
_CANNOT_SEARCH = (
    "This FHIR server cannot search by identifier. 'patients.mode: create' or 'logical', 'mapping.resolve: []' and "
    "'ownership: exclusive' do without it."
)
