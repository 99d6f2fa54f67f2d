"""The invariants of ImagingStudy in FHIR R6 (6.0.0-ballot5), ist-3 to ist-8.

A count that R6 would compare with a list that is not whole is left out, never lowered; a series' start that is not
plainly after the study's is left out, never moved.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from indexer.mapping.issues import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from indexer.mapping.issues import Issues

_DATE_LENGTH = len("2024-01-02")


def fit(study: dict[str, Any], issues: Issues) -> None:
    """Make the study obey the invariants."""
    series = study.get("series", [])
    if study.get("numberOfSeries") != len(series) and series:
        _leave_out(study, "numberOfSeries", "NumberOfStudyRelatedSeries", Cause.NOT_LISTED, issues)
    for one in series:
        listed = len(one.get("instance", []))
        if listed and listed != one["numberOfInstances"]:
            _leave_out(one, "numberOfInstances", "NumberOfSeriesRelatedInstances", Cause.NOT_LISTED, issues)
        if "started" in one and not _is_ordered(study.get("started"), one["started"]):
            _leave_out(one, "started", "SeriesDate", Cause.BEFORE_STUDY, issues)
    if series and study["numberOfInstances"] != sum(len(one.get("instance", [])) for one in series):
        _leave_out(study, "numberOfInstances", "NumberOfStudyRelatedInstances", Cause.NOT_LISTED, issues)


def invariants(study: Mapping[str, Any]) -> Iterator[str]:
    """Invariants that the study breaks, by their names in R6 (ist-1 and ist-2 hold in every release)."""
    series = study.get("series", [])
    listed = sum(len(one.get("instance", [])) for one in series)
    if series and study.get("numberOfSeries", len(series)) != len(series):
        yield "ImagingStudy: ist-3"
    if series and study.get("numberOfInstances", listed) != listed:
        yield "ImagingStudy: ist-4"
    counts = [one["numberOfInstances"] for one in series if "numberOfInstances" in one]
    if counts and study.get("numberOfInstances", sum(counts)) != sum(counts):
        yield "ImagingStudy: ist-5"
    if any(
        len(one["instance"]) != one.get("numberOfInstances", len(one["instance"]))
        for one in series
        if "instance" in one
    ):
        yield "ImagingStudy: ist-6"
    of_series = {key for one in series for key in _keys(one["modality"])}
    if "modality" in study and {key for one in study["modality"] for key in _keys(one)} != of_series:
        yield "ImagingStudy: ist-7"
    if any("started" in one and not _is_ordered(study.get("started"), one["started"]) for one in series):
        yield "ImagingStudy: ist-8"


def _keys(concept: Mapping[str, Any]) -> set[tuple[str | None, str | None]]:
    return {(one.get("system"), one.get("code")) for one in concept.get("coding", [])}


def _leave_out(place: dict[str, Any], name: str, keyword: str, cause: Cause, issues: Issues) -> None:
    del place[name]
    issues.add(keyword, cause)


def _is_ordered(study: str | None, series: str) -> bool:
    """Whether FHIRPath says that a series started with or after its study; it cannot say so of a day and a moment."""
    if study is None:
        return True
    if len(study) != len(series):
        return False
    return study <= series if len(study) == _DATE_LENGTH else _moment(study) <= _moment(series)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
