"""Our own cheap rules for a resource that is about to be sent; a server's 2xx proves little.

An ImagingStudy is also held to what no validator checks in R4 and R5. Elements that others wrote are not known here and
pass, as long as they are JSON that FHIR allows. No problem text holds a value, so none holds patient data.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from indexer.mapping.release import ENCODINGS
from indexer.mapping.syntax import CODE, MAX_UNSIGNED, OID, UID
from indexer.mapping.tables import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from indexer.mapping.rules import Release

    Test = Callable[[Any], bool]

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_URI = re.compile(r"\S+")
_URL = re.compile(r"https?://[^\s?#]+[^\s?#/]")
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)

_MAX_DEPTH = 40
"""No resource of ours is deeper than ten levels."""


def check(resource: Mapping[str, Any], release: Release) -> tuple[str, ...]:
    """Every rule that a resource breaks, as ``Type.element: what is wrong``; empty if it may be sent."""
    kind = resource.get("resourceType")
    if kind not in ("ImagingStudy", "Patient", "Endpoint"):
        return ("resourceType: none that this program writes",)
    walk = _Walk(_types(release))
    walk.look_at(resource, kind, kind)
    if kind == "ImagingStudy" and not walk.problems:
        return tuple(dict.fromkeys((*_invariants(resource), *ENCODINGS[release].invariants(resource))))
    return tuple(walk.problems)


def fingerprint(body: bytes) -> str:
    """SHA-256 over a resource as it is sent, 64 hexadecimal digits.

    The mapping builds its elements always in the same order, so that like studies become like bytes.
    """
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of a type; a primitive has a test, anything else is an object of its type."""

    type: str
    is_list: bool
    test: Test | None


@dataclass(frozen=True, slots=True)
class _Type:
    elements: dict[str, _Element]
    required: list[str]


@functools.cache
def _types(release: Release) -> Mapping[str, _Type]:
    table = [row for row in rows("elements") if release in row[0].split()]
    types = {owner: _Type({}, []) for _, owner, *_ in table}
    for _, owner, name, cardinality, kind in table:
        test = None if kind in types else _is_code_of(kind) if "|" in kind else _TESTS[kind]
        types[owner].elements[name] = _Element(kind, cardinality.endswith("*"), test)
        if cardinality.startswith("1"):
            types[owner].required.append(name)
    return types


class _Walk:
    """One walk through a resource, which collects problems, each once."""

    def __init__(self, types: Mapping[str, _Type]) -> None:
        self._types = types
        self.problems: dict[str, None] = {}

    def look_at(self, value: Mapping[str, Any], kind: str, path: str) -> None:
        """An object of a type."""
        elements = self._types[kind].elements
        for name, child in value.items():
            if name in elements:
                self._look_at_element(child, elements[name], f"{path}.{name}")
            elif not _is_json(child):
                self._blame(path, "an empty value, or none of FHIR's JSON")
        for name in self._types[kind].required:
            if name not in value:
                self._blame(f"{path}.{name}", "missing")

    def _look_at_element(self, value: Any, element: _Element, path: str) -> None:
        if element.is_list != isinstance(value, list):
            self._blame(path, "no array" if element.is_list else "an array")
            return
        if value == []:
            self._blame(path, "empty")
        values = value if element.is_list else (value,)
        if element.test:
            if not all(map(element.test, values)):
                self._blame(path, f"no valid {'code' if '|' in element.type else element.type}")
            return
        for child in _unproven_instances(values) if element.type == "Instance" else values:
            if isinstance(child, dict) and child:
                self.look_at(child, element.type, path)
            else:
                self._blame(path, "no object or an empty one")

    def _blame(self, path: str, problem: str) -> None:
        self.problems[f"{path}: {problem}"] = None


def _unproven_instances(instances: Sequence[Any]) -> Iterator[Any]:
    """Instances that are not plainly sound: a study may list 50,000, and those that we made share a few classes.

    An instance of a UID, a class that was seen before and at most a number is sound, and need not be looked at again.
    """
    seen: set[int] = set()
    is_uid = UID.fullmatch
    for instance in instances:
        if type(instance) is dict:
            uid, sop_class, number = instance.get("uid"), id(instance.get("sopClass")), instance.get("number", 0)
            is_plain = len(instance) == 2 + ("number" in instance) and type(number) is int
            if is_plain and 0 <= number <= MAX_UNSIGNED and sop_class in seen and type(uid) is str and is_uid(uid):
                continue
            seen.add(sop_class)
        yield instance


def _invariants(study: Mapping[str, Any]) -> Iterator[str]:
    """Rules that a study of sound elements still breaks."""
    series = study.get("series", [])
    uids = [
        identifier["value"]
        for identifier in study["identifier"]
        if identifier.get("system") == "urn:dicom:uid" and "value" in identifier
    ]
    if len(uids) != 1 or not uids[0].startswith("urn:oid:"):
        yield "ImagingStudy.identifier: not exactly one urn:dicom:uid with urn:oid:"
    if _has_doubles([element["uid"] for element in series]):
        yield "ImagingStudy.series.uid: a UID twice"
    if study.get("numberOfSeries", len(series)) < len(series):
        yield "ImagingStudy.numberOfSeries: less than the series listed"
    counts = [element.get("numberOfInstances", 0) for element in series]
    if study.get("numberOfInstances", sum(counts)) < sum(counts):
        yield "ImagingStudy.numberOfInstances: less than the series' numbers together"
    for element in series:
        yield from _series_invariants(element)


def _series_invariants(series: Mapping[str, Any]) -> Iterator[str]:
    instances = series.get("instance", [])
    if _has_doubles([element["uid"] for element in instances]):
        yield "ImagingStudy.series.instance.uid: a UID twice"
    if series.get("numberOfInstances", len(instances)) < len(instances):
        yield "ImagingStudy.series.numberOfInstances: less than the instances listed"


def _has_doubles(uids: Sequence[str]) -> bool:
    return len(set(uids)) != len(uids)


def _is_json(value: Any, depth: int = 0) -> bool:
    """Whether a value that others wrote is JSON as FHIR allows it: nothing empty, no number that is none."""
    if value is None or value in ("", [], {}) or depth > _MAX_DEPTH:
        return False
    if isinstance(value, dict | list):
        return all(_is_json(child, depth + 1) for child in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _is_read(date.fromisoformat, text + "-01-01"[len(text) - 4 :])


def _is_date_time(text: str) -> bool:
    return _is_read(datetime.fromisoformat, text) if _TIME.fullmatch(text) else _is_date(text)


def _is_read(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _is_text(test: Callable[[str], object]) -> Test:
    return lambda value: isinstance(value, str) and bool(test(value))


def _is_code_of(codes: str) -> Test:
    return _is_text(frozenset(codes.split("|")).__contains__)


_TESTS: Mapping[str, Test] = {
    "unsignedInt": lambda value: type(value) is int and 0 <= value <= MAX_UNSIGNED,
    "string": _is_text(str.strip),
    "id": _is_text(_ID.fullmatch),
    "uid": _is_text(UID.fullmatch),
    "code": _is_text(CODE.fullmatch),
    "uri": _is_text(_URI.fullmatch),
    "url": _is_text(_URL.fullmatch),
    "oid": _is_text(lambda text: text.startswith("urn:oid:") and OID.fullmatch(text[8:])),
    "date": _is_text(_is_date),
    "dateTime": _is_text(_is_date_time),
}
