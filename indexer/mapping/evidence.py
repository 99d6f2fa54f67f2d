"""What a source says at one level: its database first, then the datasets that were sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from indexer.mapping.issues import Cause, Issues

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.model import Attributes, PersonName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Attributes of one study or one series.

    The database speaks for the whole level. Sampled datasets speak for single instances: where those that have the
    attribute disagree, nothing is known of the level, and the attribute is left out.
    """

    database: Attributes
    sampled: tuple[Attributes, ...]
    issues: Issues

    def text(self, keyword: str) -> str | None:
        """First value of the attribute."""
        return self.database.text(keyword) or self.agreed(keyword, lambda dataset: dataset.text(keyword))

    def person_names(self, keyword: str) -> tuple[PersonName, ...]:
        """All values of a PN attribute."""
        found = self.database.person_names(keyword)
        return found or self.agreed(keyword, lambda dataset: dataset.person_names(keyword)) or ()

    def items(self, keyword: str) -> tuple[Attributes, ...]:
        """Items of a sequence from the database and every sampled dataset; like ones may repeat."""
        return tuple(item for dataset in (self.database, *self.sampled) for item in dataset.items(keyword))

    def first_items(self, keyword: str) -> tuple[Attributes, ...]:
        """Items of the first dataset that has the sequence."""
        found = (dataset.items(keyword) for dataset in (self.database, *self.sampled))
        return next((items for items in found if items), ())

    def agreed(self, keyword: str, read: Callable[[Attributes], T | None]) -> T | None:
        """What every sampled dataset that says anything says."""
        return self.one(keyword, [found for found in map(read, self.sampled) if found])

    def one(self, keyword: str, found: Sequence[T]) -> T | None:
        """The only value among those that were found."""
        if any(value != found[0] for value in found[1:]):
            self.issues.add(keyword, Cause.DISAGREES)
            return None
        return found[0] if found else None
