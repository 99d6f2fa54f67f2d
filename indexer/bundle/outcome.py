"""What a server says against a resource, without the patient data that it quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_MARK: Final = "[…]"
_MAX_ISSUES: Final = 5
_MAX_CHARS: Final = 500
# Longer diagnostics are not read at all: cut in the middle of a name, its half would survive.
_MAX_SCANNED: Final = 10_000

_SEVERITIES: Final = frozenset({"fatal", "error", "warning", "information", "success"})
# http://hl7.org/fhir/issue-type, R4 (4.0.1) and R5 (5.0.0).
_CODES: Final = frozenset(
    {
        "invalid",
        "structure",
        "required",
        "value",
        "invariant",
        "security",
        "login",
        "unknown",
        "expired",
        "forbidden",
        "suppressed",
        "processing",
        "not-supported",
        "duplicate",
        "multiple-matches",
        "not-found",
        "deleted",
        "too-long",
        "code-invalid",
        "extension",
        "too-costly",
        "business-rule",
        "conflict",
        "transient",
        "lock-error",
        "no-store",
        "exception",
        "timeout",
        "incomplete",
        "throttled",
        "informational",
        "success",
        "limited-filter",
    }
)
_PATH: Final = re.compile(r"([A-Z][A-Za-z]+)(?:\.ofType\([A-Z][A-Za-z]+\)|\.[a-z][A-Za-z]*(?:\[\d{1,6}\])?)*")

_MASKED: Final = re.compile(
    r"""
      "[^"]*(?:"|$) | `[^`]*(?:`|$) | “[^”]*(?:”|$) | «[^»]*(?:»|$)
    | (?<!\w)['‘].*?(?:['’](?!\w)|$)
    | \d+(?:[.:/-]\d+){2,}
    | \d{4,}(?:[-.:/T]\d+)*
    """,
    re.VERBOSE,
)
# HAPI's number of a message, and the name of the element that its parser stumbled at.
_KEPT: Final = re.compile(r"HAPI-\d{4}(?!\d)|\[element=\"[A-Za-z]{1,40}\"\]")


def strip(outcome: Mapping[str, Any] | None, sent: Iterable[Mapping[str, Any]]) -> str:
    """Text of an OperationOutcome for the operator, without anything that was sent.

    Kept are severity, code, FHIR paths and the server's own words. Every string of the sent resources, every quoted
    literal and every longer number in them is replaced by ``[…]``: a server may quote what we never sent, too, such
    as the resource that it holds.

    Parameters
    ----------
    outcome
        OperationOutcome as JSON, None if the server sent none.
    sent
        The resources that the outcome may speak of.
    """
    resources = list(sent)
    types = {"Bundle", *(str(resource.get("resourceType")) for resource in resources)}
    values = {leaf for resource in resources for leaf in _leaves(resource)}
    issues = _list((outcome or {}).get("issue"))[:_MAX_ISSUES]
    text = "; ".join(_issue(issue, types, values) for issue in issues if isinstance(issue, dict))
    return text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 1] + "…"


def mask(text: str, values: Iterable[str]) -> str:
    """Text with every value, every quoted literal and every longer number replaced by ``[…]``.

    Values shorter than two characters are not looked for. Values are found in any case where they are longer than
    three characters or stand as a word of their own.
    """
    if len(text) > _MAX_SCANNED:
        return _MARK
    text = " ".join(text.split())
    spans = [*_quoted(text), *_occurrences(text, values)]
    pieces: list[str] = []
    end = 0
    for begin, stop in _merged(spans):
        pieces += [text[end:begin], _MARK]
        end = stop
    return "".join([*pieces, text[end:]])


def _issue(issue: dict[str, Any], types: set[str], values: set[str]) -> str:
    words = [word for word in (_among(_SEVERITIES, issue, "severity"), _among(_CODES, issue, "code")) if word]
    words += [path for path in _paths(issue) if path not in values and _is_path(path, types)]
    details = issue.get("details")
    messages = [issue.get("diagnostics"), details.get("text") if isinstance(details, dict) else None]
    texts = [mask(message, values) for message in messages if isinstance(message, str)]
    return ": ".join([" ".join(words), *texts]) if texts else " ".join(words)


def _among(known: frozenset[str], issue: dict[str, Any], key: str) -> str:
    code = issue.get(key)
    return code if isinstance(code, str) and code in known else ""


def _paths(issue: dict[str, Any]) -> list[str]:
    return [path for key in ("expression", "location") for path in _list(issue.get(key)) if isinstance(path, str)]


def _is_path(text: str, types: set[str]) -> bool:
    match = _PATH.fullmatch(text)
    return match is not None and match[1] in types


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _leaves(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, str):
        if key != "resourceType":
            yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


def _quoted(text: str) -> Iterator[tuple[int, int]]:
    kept = [match.span() for match in _KEPT.finditer(text)]
    for match in _MASKED.finditer(text):
        if not any(begin <= match.start() and match.end() <= end for begin, end in kept):
            yield match.span()


def _occurrences(text: str, values: Iterable[str]) -> Iterator[tuple[int, int]]:
    lowered = text.lower()
    for value in values:
        wanted = " ".join(value.split())
        if len(wanted) < 2 or not (wanted in text or wanted.lower() in lowered):
            continue
        exact = re.escape(wanted)
        loose = exact if len(wanted) > 3 else rf"(?<!\w){exact}(?!\w)"
        for pattern in (re.compile(f"(?={exact})"), re.compile(f"(?={loose})", re.IGNORECASE)):
            yield from ((match.start(), match.start() + len(wanted)) for match in pattern.finditer(text))


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans in order, those that touch or overlap made one."""
    last: tuple[int, int] | None = None
    for begin, end in sorted(spans):
        if last is not None and begin <= last[1]:
            last = (last[0], max(last[1], end))
            continue
        if last is not None:
            yield last
        last = (begin, end)
    if last is not None:
        yield last
