"""When a study and its series began."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING

from indexer.mapping.issues import Cause
from indexer.mapping.when import fhir_date_time, parse_date, parse_offset, parse_time, split_date_time

if TYPE_CHECKING:
    from datetime import date, timezone

    from indexer.mapping.evidence import Evidence
    from indexer.mapping.rules import Rules
    from indexer.model import Attributes

_ACQUISITION_PAIRS = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"))


@dataclass(frozen=True, slots=True)
class _Moment:
    day: date
    at: time | None
    time_keyword: str
    offset: timezone | None = None

    @property
    def order(self) -> tuple[date, time]:
        return self.day, self.at or time.max


def study_started(evidence: Evidence, rules: Rules) -> str | None:
    """``ImagingStudy.started`` by StudyDate and StudyTime."""
    return _written(_stated(evidence, "StudyDate", "StudyTime"), evidence, rules)


def series_started(evidence: Evidence, rules: Rules) -> str | None:
    """``series.started`` by SeriesDate and SeriesTime, else the earliest moment that a sampled instance states."""
    found = _stated(evidence, "SeriesDate", "SeriesTime") or _earliest(evidence.sampled)
    return _written(found, evidence, rules)


def _stated(evidence: Evidence, date_keyword: str, time_keyword: str) -> _Moment | None:
    date_text = evidence.text(date_keyword)
    day = parse_date(date_text) if date_text else None
    if day is None:
        if date_text:
            evidence.issues.add(date_keyword, Cause.MALFORMED)
        return None
    time_text = evidence.text(time_keyword)
    at = parse_time(time_text) if time_text else None
    if time_text and at is None:
        evidence.issues.add(time_keyword, Cause.MALFORMED)
    return _Moment(day, at, time_keyword)


def _earliest(datasets: tuple[Attributes, ...]) -> _Moment | None:
    found = [moment for dataset in datasets for moment in _moments(dataset)]
    return min(found, key=lambda moment: moment.order, default=None)


def _moments(dataset: Attributes) -> list[_Moment]:
    day_text, time_text, offset_text = split_date_time(dataset.text("AcquisitionDateTime") or "")
    texts = [(day_text, time_text, "AcquisitionDateTime", parse_offset(offset_text))]
    texts += [(dataset.text(day) or "", dataset.text(at) or "", at, None) for day, at in _ACQUISITION_PAIRS]
    days = [(parse_date(day), parse_time(at), keyword, offset) for day, at, keyword, offset in texts]
    return [_Moment(day, at, keyword, offset) for day, at, keyword, offset in days if day]


def _written(moment: _Moment | None, evidence: Evidence, rules: Rules) -> str | None:
    if moment is None:
        return None
    zone = (moment.offset or _offset(evidence) or rules.timezone) if moment.at else None
    if moment.at and zone is None:
        evidence.issues.add(moment.time_keyword, Cause.NO_ZONE)
    return fhir_date_time(moment.day, moment.at, zone)


def _offset(evidence: Evidence) -> timezone | None:
    """Offset by the sampled datasets; a database holds that of the instance that happened to come first."""
    sampled = evidence.agreed("TimezoneOffsetFromUTC", lambda dataset: dataset.text("TimezoneOffsetFromUTC"))
    text = sampled if evidence.sampled else evidence.database.text("TimezoneOffsetFromUTC")
    offset = parse_offset(text) if text else None
    if text and offset is None:
        evidence.issues.add("TimezoneOffsetFromUTC", Cause.MALFORMED)
    return offset
