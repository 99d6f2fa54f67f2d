"""Pydantic's errors and our problems → lines that an operator can act on."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from indexer.config.document import Document, KeyPath, Problem
from indexer.config.model import Config

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_NUMBER = "expected a whole number"
_GROUP = "expected keys with values, one per line"
_FIXED = {
    "string_type": "expected text; put it in quotes",
    "string_too_short": "expected text, not empty",
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_parsing_size": _NUMBER,
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "dict_type": _GROUP,
    "model_type": _GROUP,
    "model_attributes_type": _GROUP,
    "tuple_type": "expected a list; start each entry with '- '",
    "list_type": "expected a list; start each entry with '- '",
}


def problems_of(error: ValidationError) -> list[Problem]:
    """Translate each error of a validation; values are never quoted."""
    details = error.errors(include_url=False)
    places = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    meant = {(*place[:-1], _near(place)) for place in places}
    # A misspelt key is one mistake, not an unknown key and a missing one.
    return [_problem(detail) for detail in details if detail["type"] != "missing" or detail["loc"] not in meant]


def _problem(details: ErrorDetails) -> Problem:
    path: KeyPath = tuple(details["loc"])
    context: dict[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "mistake":
            return Problem((*path, *context["path"]), context["expected"])
        case "value_error":
            return Problem(path, str(context["error"]))
        case "extra_forbidden":
            return Problem(path, _unknown(path))
        case "missing":
            return Problem(path, f"this key is missing: {Config.at(path[:-1]).fields()[str(path[-1])].description}")
        case "literal_error":
            return Problem(path, _one_of(re.findall("'([^']*)'", context["expected"]), details["input"]))
        case "greater_than_equal":
            return Problem(path, f"expected {context['ge']} or more")
        case "less_than_equal":
            return Problem(path, f"expected {context['le']} or less")
        case kind:
            return Problem(path, _FIXED.get(kind, "expected another kind of value"))


def _closest(given: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant, whatever its case and dashes."""
    forms = {word.lower().replace("-", "_"): word for word in words}
    near = difflib.get_close_matches(given.lower().replace("-", "_"), forms, n=1, cutoff=0.6)
    return forms[near[0]] if near else None


def _one_of(words: list[str], given: object) -> str:
    near = _closest(str(given), words)
    return f"expected one of {', '.join(words)}" + (f"; did you mean {near}?" if near else "")


def _near(path: KeyPath) -> str | None:
    return _closest(str(path[-1]), Config.at(path[:-1]).fields())


def _unknown(path: KeyPath) -> str:
    near = _near(path)
    if near:
        return f"unknown key; did you mean {near}?"
    for place, group in Config.groups():
        if path[-1] in group.fields():
            where = f"under {'.'.join(place)}" if place else "at the top of the file"
            return f"unknown key here; it belongs {where}"
    return f"unknown key; known here: {', '.join(Config.at(path[:-1]).fields())}"


def line(file: str, document: Document, problem: Problem) -> str:
    """Write one problem as ``file:line: key: what is expected``."""
    number = problem.line or document.line_of(problem.path) or 1
    return ": ".join(filter(None, (f"{file}:{number}", dotted(problem.path), problem.expected)))


def dotted(path: KeyPath) -> str:
    """Write a path as ``sources[0].name``; odd characters are escaped, long keys cut."""
    shown = (step if isinstance(step, int) else step[:60].encode("unicode_escape").decode() for step in path)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in shown).removeprefix(".")
