"""FHIR R6 (6.0.0-ballot5) as far as we write it: elements, types, cardinalities, codes and invariants.

No library knows the ballot, so this reads the facts of its StructureDefinitions from ``tests/data/fhir``. The
invariants that concern us are written out here once more, apart from the product's own, after their FHIRPath.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

FACTS = Path(__file__).parents[2] / "data" / "fhir" / "r6-ballot5.json"

DATE = r"\d{4}(-\d{2}(-\d{2}"
PRIMITIVES = {
    "boolean": (bool, r".*"),
    "integer": (int, r"-?\d+"),
    "unsignedInt": (int, r"\d{1,10}"),
    "positiveInt": (int, r"[1-9]\d{0,9}"),
    "string": (str, r"(?s).*\S.*"),
    "markdown": (str, r"(?s).*\S.*"),
    "code": (str, r"\S+( \S+)*"),
    "id": (str, r"[A-Za-z0-9\-.]{1,64}"),
    "uri": (str, r"\S+"),
    "url": (str, r"[a-z]+://\S+"),
    "canonical": (str, r"\S+"),
    "oid": (str, r"urn:oid:[0-2](\.(0|[1-9]\d*))+"),
    "date": (str, DATE + r")?)?"),
    "dateTime": (str, DATE + r"(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?"),
    "instant": (str, r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})"),
}


@functools.cache
def facts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FACTS.read_text(encoding="utf-8"))["schemas"]
    return found


def mistakes(resource: dict[str, Any]) -> list[str]:
    """Everything that the ballot forbids in a resource."""
    kind = resource["resourceType"]
    content = {name: value for name, value in resource.items() if name != "resourceType"}
    found = list(_object_mistakes(content, facts()[kind], kind))
    if kind == "ImagingStudy":
        found += [name for name, holds in INVARIANTS.items() if not holds(resource)]
    return found


def _inherited(schema: dict[str, Any]) -> dict[str, Any]:
    elements: dict[str, Any] = {}
    base = schema.get("base", "").rsplit("/", 1)[-1] or (schema["type"] if schema["type"] != "Element" else "")
    parent = facts().get(base)
    if parent is not None and parent is not schema:
        elements.update(_inherited(parent))
    found: dict[str, Any] = elements | schema.get("elements", {})
    return found


def _object_mistakes(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    if not isinstance(value, dict) or not value:
        yield f"{path}: no object, or empty"
        return
    elements = _inherited(schema)
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path}.{name}: required"
    for name, content in value.items():
        if name not in elements:
            yield f"{path}.{name}: unknown"
        else:
            yield from _element_mistakes(content, elements[name], f"{path}.{name}")
    if schema.get("type") == "Reference" and not value.keys() & {"reference", "identifier", "display", "extension"}:
        yield f"{path}: ref-2"


def _element_mistakes(value: Any, element: dict[str, Any], path: str) -> Iterator[str]:
    if element.get("array", False) != isinstance(value, list) or value == []:
        yield f"{path}: {'no array' if element.get('array') else 'an array'}, or empty"
        return
    for one in value if isinstance(value, list) else [value]:
        if element["type"] == "Resource":
            yield from mistakes(one)
        elif element["type"] in PRIMITIVES:
            yield from _primitive_mistakes(one, element, path)
        else:
            schema = element if "elements" in element else facts()[element["type"]]
            yield from _object_mistakes(one, schema, path)


def _primitive_mistakes(value: Any, element: dict[str, Any], path: str) -> Iterator[str]:
    kind, pattern = PRIMITIVES[element["type"]]
    if type(value) is not kind or not re.fullmatch(pattern, str(value)):
        yield f"{path}: no {element['type']}"
    elif value not in element.get("codes", [value]):
        yield f"{path}: no code of the required value set"


def _series(study: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = study.get("series", [])
    return found


def _instances(study: dict[str, Any]) -> int:
    return sum(len(one.get("instance", [])) for one in _series(study))


def _ist_5(study: dict[str, Any]) -> bool:
    counts = [one["numberOfInstances"] for one in _series(study) if "numberOfInstances" in one]
    return "numberOfInstances" not in study or not counts or study["numberOfInstances"] == sum(counts)


def _ist_6(study: dict[str, Any]) -> bool:
    both = (one for one in _series(study) if one.keys() >= {"numberOfInstances", "instance"})
    return all(one["numberOfInstances"] == len(one["instance"]) for one in both)


def _codings(concepts: list[dict[str, Any]]) -> set[tuple[Any, Any]]:
    return {(one.get("system"), one.get("code")) for concept in concepts for one in concept.get("coding", [])}


def _ist_8(study: dict[str, Any]) -> bool:
    """FHIRPath compares a day with a moment to nothing, which counts as not true."""
    if "started" not in study:
        return True
    starts = [one["started"] for one in _series(study) if "started" in one]
    return all(len(one) == len(study["started"]) and _instant(one) >= _instant(study["started"]) for one in starts)


def _instant(text: str) -> float:
    return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z").timestamp()


INVARIANTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "ist-1": lambda study: (
        "series" not in study or any(one.get("system") == "urn:dicom:uid" for one in study["identifier"])
    ),
    "ist-2": lambda study: sum(one.get("system") == "urn:dicom:uid" for one in study["identifier"]) < 2,
    "ist-3": lambda study: (
        "numberOfSeries" not in study or "series" not in study or study["numberOfSeries"] == len(study["series"])
    ),
    "ist-4": lambda study: (
        "numberOfInstances" not in study or "series" not in study or study["numberOfInstances"] == _instances(study)
    ),
    "ist-5": _ist_5,
    "ist-6": _ist_6,
    "ist-7": lambda study: (
        "modality" not in study or _codings(study["modality"]) == _codings([one["modality"] for one in _series(study)])
    ),
    "ist-8": _ist_8,
}
