"""Our own cheap rules for a resource that is about to be sent; a server's 2xx proves little.

An ImagingStudy is also held to what no validator checks in R4 and R5. Elements that others wrote are not known here and
pass, as long as they are JSON that FHIR allows. No problem text holds a value, so none holds patient data.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from indexer.mapping.coding import rows
from indexer.mapping.release import ENCODINGS
from indexer.mapping.syntax import CODE, MAX_UNSIGNED, OID, UID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from indexer.mapping.rules import Release

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_URI = re.compile(r"\S+")
_URL = re.compile(r"https?://[^\s?#]+[^\s?#/]")
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)

_MAX_DEPTH = 40
"""No resource of ours is deeper than ten levels."""


@dataclass(frozen=True, slots=True)
class _Element:
    type: str
    is_list: bool
    is_required: bool


def check(resource: Mapping[str, Any], release: Release) -> tuple[str, ...]:
    """Every rule that a resource breaks, as ``Type.element: what is wrong``; empty if it may be sent."""
    kind = resource.get("resourceType")
    specification = _specification(release)
    if kind not in ("ImagingStudy", "Patient", "Endpoint"):
        return ("resourceType: none that this program writes",)
    problems: dict[str, None] = {}
    _check_object(resource, kind, kind, specification, problems)
    if kind == "ImagingStudy" and not problems:
        problems.update(dict.fromkeys((*_invariants(resource), *ENCODINGS[release].invariants(resource))))
    return tuple(problems)


@functools.cache
def _specification(release: Release) -> Mapping[str, Mapping[str, _Element]]:
    found: dict[str, dict[str, _Element]] = {}
    for releases, owner, name, cardinality, kind in rows("elements"):
        if release in releases.split():
            element = _Element(kind, cardinality.endswith("*"), cardinality.startswith("1"))
            found.setdefault(owner, {})[name] = element
    return found


def _check_object(
    value: Mapping[str, Any],
    kind: str,
    path: str,
    specification: Mapping[str, Mapping[str, _Element]],
    problems: dict[str, None],
) -> None:
    elements = specification[kind]
    for name, element in elements.items():
        if name in value:
            _check_element(value[name], element, f"{path}.{name}", specification, problems)
        elif element.is_required:
            problems[f"{path}.{name}: missing"] = None
    for name in value.keys() - elements.keys():
        _check_foreign(value[name], path, problems)


def _check_element(
    value: Any,
    element: _Element,
    path: str,
    specification: Mapping[str, Mapping[str, _Element]],
    problems: dict[str, None],
) -> None:
    if element.is_list != isinstance(value, list):
        problems[f"{path}: {'no array' if element.is_list else 'an array'}"] = None
        return
    if value == []:
        problems[f"{path}: empty"] = None
    is_object = element.type in specification
    values = value if element.is_list else (value,)
    for one in _unproven_instances(values) if element.type == "Instance" else values:
        if not is_object:
            if not _is_primitive(one, element.type):
                problems[f"{path}: no valid {'code' if '|' in element.type else element.type}"] = None
        elif isinstance(one, dict) and one:
            _check_object(one, element.type, path, specification, problems)
        else:
            problems[f"{path}: no object or an empty one"] = None


def _unproven_instances(instances: Sequence[Any]) -> Iterator[Any]:
    """Instances that are not plainly sound: a study may list 50,000, and those that we made share a few classes.

    An instance of a UID, a class that was seen before and at most a number is sound, and need not be looked at again.
    """
    seen: set[int] = set()
    is_uid = UID.fullmatch
    for one in instances:
        if type(one) is dict:
            uid, sop_class, number = one.get("uid"), id(one.get("sopClass")), one.get("number", 0)
            is_plain = len(one) == 2 + ("number" in one) and type(number) is int and 0 <= number <= MAX_UNSIGNED
            if is_plain and sop_class in seen and type(uid) is str and is_uid(uid):
                continue
            seen.add(sop_class)
        yield one


def _invariants(study: Mapping[str, Any]) -> Iterator[str]:
    """Rules that a study of sound elements still breaks."""
    series = study.get("series", [])
    uids = [one["value"] for one in study["identifier"] if one.get("system") == "urn:dicom:uid" and "value" in one]
    if len(uids) != 1 or not uids[0].startswith("urn:oid:"):
        yield "ImagingStudy.identifier: not exactly one urn:dicom:uid with urn:oid:"
    if _has_doubles([one["uid"] for one in series]):
        yield "ImagingStudy.series.uid: a UID twice"
    if study.get("numberOfSeries", len(series)) < len(series):
        yield "ImagingStudy.numberOfSeries: less than the series listed"
    counts = [one.get("numberOfInstances", 0) for one in series]
    if study.get("numberOfInstances", sum(counts)) < sum(counts):
        yield "ImagingStudy.numberOfInstances: less than the series' numbers together"
    for one in series:
        yield from _series_invariants(one)


def _series_invariants(series: Mapping[str, Any]) -> Iterator[str]:
    instances = series.get("instance", [])
    if _has_doubles([one["uid"] for one in instances]):
        yield "ImagingStudy.series.instance.uid: a UID twice"
    if series.get("numberOfInstances", len(instances)) < len(instances):
        yield "ImagingStudy.series.numberOfInstances: less than the instances listed"


def _has_doubles(uids: Sequence[str]) -> bool:
    return len(set(uids)) != len(uids)


def _check_foreign(value: Any, path: str, problems: dict[str, None], depth: int = 0) -> None:
    is_number = isinstance(value, int | float)
    is_empty = value is None or value in ("", [], {}) or (isinstance(value, float) and not math.isfinite(value))
    if is_empty or depth > _MAX_DEPTH or not (is_number or isinstance(value, str | list | dict)):
        problems[f"{path}: an empty value, or none of FHIR's JSON"] = None
        return
    if not is_number and not isinstance(value, str):
        for one in value.values() if isinstance(value, dict) else value:
            _check_foreign(one, path, problems, depth + 1)


def _is_primitive(value: Any, kind: str) -> bool:
    if kind == "unsignedInt":
        return type(value) is int and 0 <= value <= MAX_UNSIGNED
    if not isinstance(value, str):
        return False
    if "|" in kind:
        return value in kind.split("|")
    return _TEXT_RULES[kind](value)


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text + "-01-01"[len(text) - 4 :])
    except ValueError:
        return False
    return True


def _is_date_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return _is_date(text)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_text(text: str) -> bool:
    return bool(text.strip())


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


_TEXT_RULES: Mapping[str, Callable[[str], bool]] = {
    "string": _is_text,
    "id": _matches(_ID),
    "uid": _matches(UID),
    "code": _matches(CODE),
    "uri": _matches(_URI),
    "url": _matches(_URL),
    "oid": lambda text: text.startswith("urn:oid:") and OID.fullmatch(text[8:]) is not None,
    "date": _is_date,
    "dateTime": _is_date_time,
}
