"""DICOM dates, times and offsets → FHIR dates; what nobody stated is never added.

Sources: PS3.5 2024e, section 6.2 (DA, TM, DT); PS3.3 2024e, C.12.1.1.8 "Timezone Offset From UTC";
FHIR R4, 2.24.0.1 "Primitive Types" (a dateTime with a time has seconds and a zone).
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone, tzinfo

_DATE = re.compile(r"(\d{4})([.\-]?)(\d{2})\2(\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.\d{0,6})?)?)?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})", re.ASCII)
_DATE_TIME = re.compile(r"(\d{8})(\d{2,6})?(?:\.\d{1,6})?([+-]\d{4})?", re.ASCII)

FIRST_STUDY_YEAR = 1895
"""Year of the first X-ray image: an earlier study is a mistake."""
FIRST_BIRTH_YEAR = 1800

_MINUTE_S = 60


def parse_date(text: str, first_year: int = FIRST_STUDY_YEAR) -> date | None:
    """A DA, also in its legacy form ``YYYY.MM.DD`` or with dashes; None if it is no such day."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        found = date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None
    return found if found.year >= first_year else None


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


def fhir_date(day: date) -> str:
    """A FHIR date, always of four digits' year."""
    return day.isoformat()


def fhir_date_time(day: date, at: time | None, zone: tzinfo | None) -> str:
    """A FHIR dateTime: with the time only where both a time and its zone are known, else the day alone.

    An hour that a clock change repeats is taken as its first; a zone that had no offset of whole minutes on that day
    (local mean time) cannot be written and leaves the day alone.
    """
    if at is None or zone is None:
        return fhir_date(day)
    moment = datetime.combine(day, at, zone)
    offset = moment.utcoffset()
    if offset is None or offset.total_seconds() % _MINUTE_S:
        return fhir_date(day)
    return moment.isoformat(timespec="seconds")


def split_date_time(text: str) -> tuple[str, str, str]:
    """Date, time and offset of a DT as texts, empty where it has none; a DT of less than a day is all empty."""
    match = _DATE_TIME.fullmatch(text)
    return (match[1], match[2] or "", match[3] or "") if match else ("", "", "")
