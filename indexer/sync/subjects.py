"""The Patients that published studies should refer to, found as the writer finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexer.model import ResourceKey
from indexer.sync.merged_patients import SuccessorReader
from indexer.sync.search import IdentifierSearch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.mapping import Mapped
    from indexer.model import Lookup, Patient
    from indexer.plan import Strategy
    from indexer.sync.merged_patients import Successors
    from indexer.sync.protocols import FhirTarget


@dataclass(frozen=True, slots=True)
class Subjects:
    """Patients by patient key.

    Attributes
    ----------
    ids
        Id of each; None if nothing tells it.
    right
        Keys of those that the server holds, and that have the patient's identifier or stand for one that has it; or
        that somebody decided on.
    """

    ids: Mapping[str, str | None]
    right: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectReader:
    """Reads the Patients of studies.

    Attributes
    ----------
    tries
        Failures of the server after which the last one is raised.
    """

    ledger: Ledger
    strategy: Strategy
    target: FhirTarget
    health: ServerHealth
    tries: int

    def read(self, mapped: Iterable[Mapped]) -> Subjects:
        """The Patients of these studies, many in one request."""
        lookups = {study.patient_key: study.patient_lookup for study in mapped if study.has_patient}
        known = self.ledger.patients(sorted(lookups))
        first = self._first(lookups, known)
        reader = SuccessorReader(target=self.target, health=self.health, tries=self.tries)
        successors = reader.read(first.values(), {})
        last = {key: successors.of(reference) for key, reference in first.items()}
        present = {key for key, reference in last.items() if successors.patients.get(reference)}
        doubtful = {
            key: lookup
            for key in present - {key for key, patient in known.items() if patient.decided_for}
            if (lookup := lookups[key]) and not _has(lookup, successors, first[key], last[key])
        }
        wrong = self._wrong(doubtful, last, reader) if doubtful else frozenset()
        ids = {key: last[key].partition("/")[2] if key in last else None for key in lookups}
        return Subjects(ids, frozenset(present - wrong))

    def _first(self, patient_keys: Iterable[str], known: Mapping[str, Patient]) -> dict[str, str]:
        """The Patient that we know or would make, by patient key."""
        ids = {
            key: known[key].fhir_id if key in known else self.strategy.fhir_id(ResourceKey("Patient", key))
            for key in patient_keys
        }
        return {key: f"Patient/{fhir_id}" for key, fhir_id in ids.items() if fhir_id is not None}

    def _wrong(
        self, doubtful: Mapping[str, Lookup], last: Mapping[str, str], reader: SuccessorReader
    ) -> frozenset[str]:
        """Keys of Patients without the identifier to which no Patient leads that has it."""
        search = IdentifierSearch(target=self.target, health=self.health, tries=self.tries)
        bearers = search.bearers(doubtful.values())
        patients = {f"Patient/{patient['id']}": patient for hits in bearers.values() for patient in hits or ()}
        successors = reader.read((), patients)
        return frozenset(
            key
            for key, lookup in doubtful.items()
            if last[key] not in {successors.of(f"Patient/{patient['id']}") for patient in bearers[lookup] or ()}
        )


def _has(lookup: Lookup, successors: Successors, *references: str) -> bool:
    """Whether one of these Patients has the identifier."""
    patients = [successors.patients.get(reference) or {} for reference in references]
    return any((lookup.system, lookup.value) in _identifiers(patient) for patient in patients)


def _identifiers(patient: Mapping[str, Any]) -> set[tuple[object, object]]:
    values = [value for value in patient.get("identifier") or () if isinstance(value, dict)]
    return {(value.get("system"), value.get("value")) for value in values}
