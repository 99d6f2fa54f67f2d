"""Pydantic's errors and our problems → lines that an operator can act on."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from indexer.config.document import Document, Path, Problem
from indexer.config.fields import all_groups, fields_at

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_FIXED = {
    "string_type": "expected text; put it in quotes",
    "string_too_short": "expected text, not empty",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a whole number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "dict_type": "expected keys with values, one per line",
    "model_type": "expected keys with values, one per line",
    "model_attributes_type": "expected keys with values, one per line",
    "tuple_type": "expected a list; start each entry with '- '",
}
# What other programs call these keys: too far from ours for difflib.
_SYNONYMS = {
    "url": ("orthanc", "fhir"),
    "user": ("username",),
    "token": ("bearer",),
    "token_file": ("bearer_file",),
    "max_size": ("max_bytes",),
    "tz": ("timezone",),
    "database": ("ledger",),
    "logging": ("log",),
    "source": ("sources",),
    "ca": ("ca_file",),
}


def problems_of(error: ValidationError) -> list[Problem]:
    """Translate each error of a validation; values are never quoted."""
    details = error.errors(include_url=False)
    meant = {(*one["loc"][:-1], _near(one["loc"])) for one in details if one["type"] == "extra_forbidden"}
    # A misspelt key is one mistake, not an unknown key and a missing one.
    return [_problem(one) for one in details if one["type"] != "missing" or one["loc"] not in meant]


def _problem(details: ErrorDetails) -> Problem:
    path: Path = tuple(details["loc"])
    context: dict[str, Any] = details.get("ctx", {})
    kind = details["type"]
    if kind == "mistake":
        return Problem((*path, *context["path"]), context["expected"])
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    if kind == "extra_forbidden":
        return Problem(path, _unknown(path))
    if kind == "missing":
        return Problem(path, f"this key is missing: {fields_at(path[:-1])[str(path[-1])].description}")
    if kind == "literal_error":
        return Problem(path, _one_of(re.findall("'([^']*)'", context["expected"]), details["input"]))
    if kind == "greater_than_equal":
        return Problem(path, f"expected {context['ge']} or more")
    if kind == "less_than_equal":
        return Problem(path, f"expected {context['le']} or less")
    return Problem(path, _FIXED.get(kind, "expected another kind of value"))


def _one_of(words: list[str], given: object) -> str:
    """Name the words that are taken and, of these, the one that was probably meant."""
    by_form = {word.lower(): word for word in words}
    near = difflib.get_close_matches(str(given).lower().replace("_", "-"), by_form, n=1, cutoff=0.6)
    return f"expected one of {', '.join(words)}" + (f"; did you mean {by_form[near[0]]}?" if near else "")


def _near(path: Path) -> str | None:
    """Return the known key that an unknown one was probably meant to be."""
    known = fields_at(path[:-1])
    key = str(path[-1]).lower().replace("-", "_")
    near = [name for name in _SYNONYMS.get(key, ()) if name in known]
    near = near or difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return near[0] if near else None


def _unknown(path: Path) -> str:
    near = _near(path)
    if near:
        return f"unknown key; did you mean {near}?"
    for place, names in all_groups().items():
        if path[-1] in names:
            return f"unknown key here; it belongs {place}"
    return f"unknown key; known here: {', '.join(fields_at(path[:-1]))}"


def line(file: str, document: Document, problem: Problem) -> str:
    """Write one problem as ``file:line: key: what is expected``."""
    number = problem.line or document.line_of(problem.path) or 1
    key = dotted(problem.path)
    return f"{file}:{number}: {key}: {problem.expected}" if key else f"{file}:{number}: {problem.expected}"


def dotted(path: Path) -> str:
    """Write a path as ``sources[0].name``; odd characters are escaped, long keys cut."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step[:60].encode("unicode_escape").decode("ascii")
            text += f".{shown}" if text else shown
    return text
