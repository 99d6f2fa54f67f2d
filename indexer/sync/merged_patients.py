"""Patients that were merged into others on the FHIR server: which one stands for each now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexer.errors import Refused, TooLarge
from indexer.halving import by_halves
from indexer.model import successor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from indexer.health import ServerHealth
    from indexer.sync.protocols import FhirTarget

Resource = dict[str, Any]

MOST_READS_AT_ONCE = 50
"""Most resources that one Bundle reads."""

MOST_READS = 8
"""Longest chain of merges that is followed; each link of it takes a request for all Patients together."""


@dataclass(frozen=True, slots=True)
class Successors:
    """Patients by their references, and which one stands for each; None for one that cannot be read."""

    patients: Mapping[str, Resource | None]

    def of(self, reference: str) -> str:
        """The Patient at the end of the chain that begins here; one that leads in a circle or too far stays itself."""
        chain = [reference]
        while following := successor(self.patients.get(chain[-1]) or {}):
            if following in chain or following not in self.patients:
                return reference
            chain.append(following)
        return chain[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessorReader:
    """Reads the Patients that others were merged into.

    Attributes
    ----------
    tries
        Failures of the server after which the last one is raised; None waits as long as it takes.
    """

    target: FhirTarget
    health: ServerHealth
    tries: int | None

    def read(self, references: Iterable[str], known: Mapping[str, Resource]) -> Successors:
        """Who stands for each of these Patients; `known` are resources that need not be read again."""
        patients: dict[str, Resource | None] = {**known}
        wanted = {*references}
        for _ in range(MOST_READS):
            wanted |= {following for patient in patients.values() if (following := successor(patient or {}))}
            unread = sorted(wanted - patients.keys())
            if not unread:
                break
            patients |= zip(unread, self._read(unread), strict=True)
        return Successors(patients)

    def _read(self, references: Sequence[str]) -> list[Resource | None]:
        """One that the server refuses to show counts as one that nobody replaced."""
        return by_halves(self._fetch, references, error=(Refused, TooLarge), alone=lambda *_: None)

    def _fetch(self, references: Sequence[str]) -> list[Resource | None]:
        fetched = self.health.call_many(
            "read", self.target.fetch, references, most=MOST_READS_AT_ONCE, tries=self.tries
        )
        return [patient.resource if patient else None for patient in fetched]
