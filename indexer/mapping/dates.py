"""DICOM dates and times → FHIR dates, and when a study and its series began; what nobody stated is never added.

Sources: PS3.5 2024e, section 6.2 (DA, TM, DT); PS3.3 2024e, C.12.1.1.8 "Timezone Offset From UTC";
FHIR R4, 2.24.0.1 "Primitive Types" (a dateTime with a time has seconds and a zone).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, TypeVar

from indexer.mapping.issues import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from indexer.mapping.context import Context
    from indexer.mapping.evidence import Evidence
    from indexer.model import Attributes

T = TypeVar("T")

_DATE = re.compile(r"(\d{4})([.\-]?)(\d{2})\2(\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.\d{0,6})?)?)?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})", re.ASCII)
_DATE_TIME = re.compile(r"(\d{8})(\d{2,6})?(?:\.\d{1,6})?([+-]\d{4})?", re.ASCII)

FIRST_STUDY_YEAR = 1895
"""Year of the first X-ray image: an earlier study is a mistake."""
FIRST_BIRTH_YEAR = 1800

_MINUTE_S = 60

_ACQUISITION_PAIRS = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"))


@dataclass(frozen=True, slots=True)
class Moment:
    """A day and perhaps a time of it, with the offset that belongs to them."""

    day: date
    at: time | None
    time_keyword: str
    offset: timezone | None = None


def study_moment(evidence: Evidence) -> Moment | None:
    """When the study began, by StudyDate and StudyTime."""
    return _stated(evidence, "StudyDate", "StudyTime")


def study_started(context: Context) -> str | None:
    """``ImagingStudy.started``."""
    return _written(study_moment(context.evidence), context)


def series_started(context: Context) -> str | None:
    """``series.started`` by SeriesDate and SeriesTime, else the earliest moment that a dataset states."""
    evidence = context.evidence
    return _written(_stated(evidence, "SeriesDate", "SeriesTime") or _earliest(evidence), context)


def parse_date(text: str, first_year: int = FIRST_STUDY_YEAR) -> date | None:
    """A DA, also in its legacy form ``YYYY.MM.DD`` or with dashes; None if it is no such day."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        day = date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None
    return day if day.year >= first_year else None


def parse_time(text: str) -> time | None:
    """A TM to the second, also in its legacy form ``HH:MM:SS``; missing parts are zero, a leap second is 59."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return time(hour, minute, 59 if second == _MINUTE_S else second)
    except ValueError:
        return None


def parse_offset(text: str) -> timezone | None:
    """An offset ``&ZZXX`` from UTC between −12:00 and +14:00, or None."""
    match = _OFFSET.fullmatch(text)
    if match is None or int(match[3]) >= _MINUTE_S:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3])) * (-1 if match[1] == "-" else 1)
    return timezone(offset) if timedelta(hours=-12) <= offset <= timedelta(hours=14) else None


def fhir_date_time(day: date, at: time | None, zone: tzinfo | None) -> str:
    """A FHIR dateTime: with the time only where both a time and its zone are known, else the day alone.

    A zone that had no offset of whole minutes on that day (local mean time) cannot be written and leaves the day alone.
    """
    if at is None or zone is None:
        return day.isoformat()
    moment = datetime.combine(day, at, zone)
    offset = moment.utcoffset()
    if offset is None or offset.total_seconds() % _MINUTE_S:
        return day.isoformat()
    return moment.isoformat(timespec="seconds")


def is_ambiguous(day: date, at: time, zone: tzinfo) -> bool:
    """Whether a clock change skips this time, or makes it occur twice: then its two folds differ (PEP 495)."""
    first = datetime.combine(day, at, zone)
    return first.utcoffset() != first.replace(fold=1).utcoffset()


def split_date_time(text: str) -> tuple[str, str, str]:
    """Date, time and offset of a DT as texts, empty where it has none; a DT of less than a day is all empty."""
    match = _DATE_TIME.fullmatch(text)
    return (match[1], match[2] or "", match[3] or "") if match else ("", "", "")


def _stated(evidence: Evidence, date_keyword: str, time_keyword: str) -> Moment | None:
    """Date, then a time among the datasets of that date, then an offset among those of that time."""
    day = evidence.parsed(date_keyword, parse_date)
    if day is None:
        return None
    evidence = evidence.where(_reading(date_keyword, parse_date), day, date_keyword)
    at = evidence.parsed(time_keyword, parse_time)
    evidence = evidence.where(_reading(time_keyword, parse_time), at, time_keyword)
    return Moment(day, at, time_keyword, _offset(evidence) if at else None)


def _reading(keyword: str, parse: Callable[[str], T | None]) -> Callable[[Attributes], T | None]:
    return lambda dataset: parse(dataset.text(keyword) or "")


def _earliest(evidence: Evidence) -> Moment | None:
    moments = ((moment, dataset) for dataset in evidence.datasets for moment in _moments(dataset))
    moment, dataset = min(moments, key=lambda pair: (pair[0].day, pair[0].at or time.max), default=(None, None))
    if moment is None or moment.at is None or moment.offset:
        return moment
    own = [statement for statement in evidence.statements if statement.dataset is dataset]
    return replace(moment, offset=_offset(replace(evidence, statements=own)))


def _moments(dataset: Attributes) -> list[Moment]:
    day_text, time_text, offset_text = split_date_time(dataset.text("AcquisitionDateTime") or "")
    texts = [(day_text, time_text, "AcquisitionDateTime", parse_offset(offset_text))]
    texts += [(dataset.text(day) or "", dataset.text(at) or "", at, None) for day, at in _ACQUISITION_PAIRS]
    days = [(parse_date(day), parse_time(at), keyword, offset) for day, at, keyword, offset in texts]
    return [Moment(day, at, keyword, offset) for day, at, keyword, offset in days if day]


def _written(moment: Moment | None, context: Context) -> str | None:
    if moment is None:
        return None
    zone = (moment.offset or context.rules.timezone) if moment.at else None
    if moment.at and zone is None:
        context.issues.add(moment.time_keyword, Cause.NO_ZONE)
    if moment.at and zone and is_ambiguous(moment.day, moment.at, zone):
        context.issues.add(moment.time_keyword, Cause.AMBIGUOUS_TIME)
        zone = None
    return fhir_date_time(moment.day, moment.at, zone)


def _offset(evidence: Evidence) -> timezone | None:
    return evidence.parsed("TimezoneOffsetFromUTC", parse_offset)
