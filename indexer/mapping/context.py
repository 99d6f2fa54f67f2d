"""What the parts of one study are mapped with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.mapping.coded_entry import Entries
from indexer.mapping.evidence import Evidence
from indexer.mapping.issues import Issues
from indexer.mapping.release import ENCODINGS, ReleaseEncoding

if TYPE_CHECKING:
    from indexer.mapping.rules import Element, Rules
    from indexer.model import Attributes, Study


@dataclass(frozen=True, slots=True)
class Context:
    """The rules, the release's encoding, the study's codes, and the issues that are collected.

    Attributes
    ----------
    evidence
        Attributes of the study.
    list_instances
        Whether instances are listed below their series.
    """

    rules: Rules
    encoding: ReleaseEncoding
    entries: Entries
    issues: Issues
    evidence: Evidence
    list_instances: bool

    @classmethod
    def of(cls, study: Study, datasets: tuple[Attributes, ...], rules: Rules) -> Context:
        """Context of one study with its sampled datasets."""
        issues = Issues()
        return cls(
            rules=rules,
            encoding=ENCODINGS[rules.release],
            entries=Entries(rules, issues, datasets),
            issues=issues,
            evidence=Evidence(study.attributes, datasets, issues),
            list_instances=rules.instances.are_listed(study.number_of_instances),
        )

    def wants(self, element: Element) -> bool:
        """Whether an element that can be switched is written."""
        return element in self.rules.elements
