"""Search the FHIR server for resources by identifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexer.errors import Refused, TooLarge
from indexer.halving import by_halves
from indexer.model import Lookup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from indexer.errors import PeerError
    from indexer.health import ServerHealth
    from indexer.sync.protocols import FhirTarget

MOST_LOOKUPS = 100
"""Most identifiers that one search asks for; the answers to these are short."""

Resources = tuple[dict[str, Any], ...]

Bearers = Mapping[Lookup, Resources | None]
"""The resources with each identifier; None if the server refused to search for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierSearch:
    """Searches for many identifiers together.

    Attributes
    ----------
    tries
        Failures of the server after which the last one is raised; None waits as long as it takes.
    """

    target: FhirTarget
    health: ServerHealth
    tries: int | None

    def bearers(self, lookups: Iterable[Lookup]) -> Bearers:
        """What bears each identifier. One that the server refuses to search for stops no other.

        Raises
        ------
        Refused
            If the server cannot search at all.
        """
        bearers: list[tuple[Lookup, Resources | None]] = by_halves(
            self._look_up, list(dict.fromkeys(lookups)), error=(Refused, TooLarge), alone=self._not_searched
        )
        return dict(bearers)

    def _look_up(self, lookups: Sequence[Lookup]) -> Sequence[tuple[Lookup, Resources | None]]:
        def ask(lookups: Sequence[Lookup]) -> Sequence[tuple[Lookup, Resources | None]]:
            bearers = self.target.look_up(lookups)
            return [(lookup, bearers[lookup]) for lookup in lookups]

        return self.health.call_many("search", ask, lookups, most=MOST_LOOKUPS, tries=self.tries)

    def _not_searched(self, lookup: Lookup, error: PeerError) -> tuple[Lookup, Resources | None]:
        """The server refuses to search for this one; if it refused a harmless search as well, once more after that."""
        if isinstance(error, Refused):
            self.health.insist("search", lambda: self._search_in_vain(lookup.type), tries=self.tries)
        try:
            return self._look_up([lookup])[0]
        except (Refused, TooLarge):
            return lookup, None

    def _search_in_vain(self, resource_type: str) -> None:
        """A harmless search, for what nobody has."""
        try:
            self.target.look_up([Lookup(resource_type, "urn:dicom:uid", "urn:oid:0.0")])
        except Refused as error:
            raise Refused(error.message, peer=error.peer, status=error.status, hint=_CANNOT_SEARCH) from None


_CANNOT_SEARCH = (
    "This FHIR server cannot search by identifier. To work without searching, set 'patients.mode: create' or "
    "'logical', 'mapping.resolve: []' and 'ownership: exclusive'."
)
