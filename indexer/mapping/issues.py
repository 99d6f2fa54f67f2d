"""What was left out of a study, or read in another way than it stands: counted by keyword, never with a value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why an attribute, or a series or instance, was left out or read in another way than it stands."""

    MISSING = "missing"
    MALFORMED = "malformed"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_CODE = "unknown_code"
    UNKNOWN_SYSTEM = "unknown_system"
    DISAGREES = "disagrees"
    DUPLICATE = "duplicate"
    NO_ZONE = "no_zone"
    BEFORE_STUDY = "before_study"
    NOT_LISTED = "not_listed"
    NOT_CLAIMED = "not_claimed"
    STUDY_CONFLICT = "study_conflict"
    CHARSET_UNKNOWN = "charset_unknown"
    AMBIGUOUS_TIME = "ambiguous_time"
    TOO_DEEP = "too_deep"


@dataclass(frozen=True, slots=True, order=True)
class Issue:
    """One kind of omission in one study, never with the value itself.

    Attributes
    ----------
    keyword
        DICOM keyword of the attribute that was not used as it stands; the FHIR element with ``not_claimed``.
    count
        How often it happened in the study.
    """

    keyword: str
    cause: Cause
    count: int = 1


class Issues:
    """Collects omissions while a study is mapped."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Cause]] = Counter()

    def add(self, keyword: str, cause: Cause, count: int = 1) -> None:
        """Count omissions of one kind."""
        if count:
            self._counts[keyword, cause] += count

    def listed(self) -> tuple[Issue, ...]:
        """Every kind once, in a stable order."""
        return tuple(sorted(Issue(keyword, cause, count) for (keyword, cause), count in self._counts.items()))
