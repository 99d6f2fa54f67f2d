"""What the parts of one study are mapped with: what the source says, and the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from indexer.mapping.coding import Entries
    from indexer.mapping.evidence import Evidence
    from indexer.mapping.issues import Issues
    from indexer.mapping.release import ReleaseEncoding
    from indexer.mapping.rules import Element, Rules

T = TypeVar("T")


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
        """The context of a series of the study."""
        return Context(self.rules, self.encoding, self.entries, self.issues, evidence, self.list_instances)

    def wants(self, element: Element) -> bool:
        """Whether an element that can be switched is written."""
        return element in self.rules.elements

    def wanted(self, element: Element, read: Callable[[Context], T]) -> T | None:
        """An element that can be switched; None if it is not wanted."""
        return read(self) if self.wants(element) else None
