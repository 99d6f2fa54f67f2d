"""What the parts of one study are mapped with: what the source says, and the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from indexer.mapping.issues import Cause, Issues
from indexer.model.attributes import NOTHING, Attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.mapping.coding import Entries
    from indexer.mapping.release import ReleaseEncoding
    from indexer.mapping.rules import Element, Rules
    from indexer.model import PersonName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a source says of one study or one series: its database first, then the datasets that were sampled.

    The database speaks for the whole level. Sampled datasets speak for single instances: where those that have the
    attribute disagree, nothing is known of the level, and the attribute is left out.
    """

    database: Attributes
    sampled: tuple[Attributes, ...]
    issues: Issues

    @property
    def all(self) -> tuple[Attributes, ...]:
        """The database, then the datasets."""
        return (self.database, *self.sampled)

    @property
    def of_instances(self) -> Evidence:
        """By the datasets alone; by the database only where there is none.

        Orthanc keeps one patient for one number, whoever issued it, so its database may hold another person's name.
        """
        return Evidence(NOTHING if self.sampled else self.database, self.sampled, self.issues)

    def text(self, keyword: str) -> str | None:
        """First value of the attribute."""
        return self.database.text(keyword) or self._agreed(keyword, Attributes.text)

    def parsed(self, keyword: str, parse: Callable[[str], T | None], cause: Cause = Cause.MALFORMED) -> T | None:
        """What the attribute's text means; None, and counted, if it is not what it should be."""
        text = self.text(keyword)
        value = parse(text) if text else None
        if text and value is None:
            self.issues.add(keyword, cause)
        return value

    def person_names(self, keyword: str) -> tuple[PersonName, ...]:
        """All values of a PN attribute."""
        return self.database.person_names(keyword) or self._agreed(keyword, Attributes.person_names) or ()

    def items(self, keyword: str) -> tuple[Attributes, ...]:
        """Items of a sequence from the database and every sampled dataset; like ones may repeat."""
        return tuple(item for dataset in self.all for item in dataset.items(keyword))

    def first_items(self, keyword: str) -> tuple[Attributes, ...]:
        """Items of the first dataset that has the sequence."""
        return next((items for dataset in self.all if (items := dataset.items(keyword))), ())

    def only(self, keyword: str, values: Sequence[T]) -> T | None:
        """The only value among those that were read."""
        if len(values) > 1 and any(value != values[0] for value in values):
            self.issues.add(keyword, Cause.DISAGREES)
            return None
        return values[0] if values else None

    def _agreed(self, keyword: str, read: Callable[[Attributes, str], T | None]) -> T | None:
        """What every sampled dataset that says anything says."""
        return self.only(keyword, [value for dataset in self.sampled if (value := read(dataset, keyword))])


@dataclass(frozen=True, slots=True)
class Context:
    """What a study, or one of its series, is mapped with; each element is a function of it.

    Attributes
    ----------
    entries
        Reads the codes of the study.
    evidence
        What is said of the study, or of the series.
    list_instances
        Whether instances are listed below their series.
    """

    rules: Rules
    encoding: ReleaseEncoding
    entries: Entries
    issues: Issues
    evidence: Evidence
    list_instances: bool

    def at(self, evidence: Evidence) -> Context:
        """The context of a series of the study, or of its patient."""
        return Context(self.rules, self.encoding, self.entries, self.issues, evidence, self.list_instances)

    def wants(self, element: Element) -> bool:
        """Whether an element that can be switched is written."""
        return element in self.rules.elements

    def wanted(self, element: Element, read: Callable[[Context], T]) -> T | None:
        """An element that can be switched; None if it is not wanted."""
        return read(self) if self.wants(element) else None
