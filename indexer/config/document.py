"""YAML text → plain values that remember their lines.

PyYAML's SafeLoader reads the text. Left out on purpose: aliases and merge keys (a small file can grow to gigabytes),
tags (PyYAML's own constructors stumble over some), more than one document, and repeated keys (PyYAML keeps the last
without a word).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
KeyPath = tuple[str | int, ...]
MAX_BYTES = 1_048_576
_MAX_DEPTH = 24
# All else is text here, dates too: no key of ours takes one, and a source may be named 2024-01-01.
_TYPED = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null")}


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands and what is expected there."""

    path: KeyPath
    expected: str
    line: int | None = None


@dataclass
class Document:
    """The values of a file, the line of each key, and the mistakes of form."""

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int | None:
        """Line of a key; that of the nearest key around it when the key is missing."""
        around = (path[:end] for end in range(len(path), -1, -1))
        return next((self.lines[place] for place in around if place in self.lines), None)


class _RefusedError(Exception):
    """The text is YAML that we do not take."""

    def __init__(self, expected: str, line: int) -> None:
        self.expected = expected
        self.line = line


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases, tags and deep nesting."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if self.check_event(yaml.AliasEvent):
            raise _RefusedError("aliases (*name) are not taken; write the value out", line)
        if getattr(event, "tag", None) is not None:
            raise _RefusedError("expected plain values without a !tag", line)
        if self._depth >= _MAX_DEPTH:
            raise _RefusedError(f"expected at most {_MAX_DEPTH} levels of nesting", line)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def parse(content: bytes) -> Document:
    """Read one YAML document in UTF-8."""
    document = Document()
    try:
        loader = _Loader(content.decode("utf-8-sig"))
        try:
            node = loader.get_single_node()
            if node is not None:
                document.value = _value(node, (), document, loader)
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        document.problems.append(Problem((), "expected text in UTF-8", line))
    except _RefusedError as error:
        document.problems.append(Problem((), error.expected, error.line))
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax_problem(error))
    except yaml.YAMLError:
        # ReaderError: its own text would quote what stands in the file.
        document.problems.append(Problem((), "expected plain text; there is a control character in the file", 1))
    return document


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    # Only PyYAML's fixed phrase: the snippet in str(error) would quote a secret that stands on that line.
    mark = error.problem_mark or error.context_mark
    phrase = error.problem or "the text breaks off"
    if phrase.startswith("but "):
        phrase = f"{error.context}, {phrase}"
    phrase = _QUOTED.sub(_without_words, phrase)
    line = mark.line + 1 if mark else 1
    return Problem((), f"not valid YAML: {phrase}; check indentation, quotes and tabs", line)


def _without_words(quoted: re.Match[str]) -> str:
    inner = quoted[0][1:-1]
    return quoted[0] if inner.startswith("<") or not re.search(r"\w", inner) else "something"


def _value(node: yaml.Node, path: KeyPath, document: Document, loader: _Loader) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document, loader)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, i), document, loader) for i, child in enumerate(node.value)]
    return _scalar(node, path, document, loader)


def _mapping(node: yaml.MappingNode, path: KeyPath, document: Document, loader: _Loader) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
            document.problems.append(Problem(path, "expected plain words as keys", line))
            continue
        key = str(key_node.value)  # as written: 'no' and '1' are words here, too
        if key in result:
            first = document.lines[(*path, key)]
            document.problems.append(Problem((*path, key), f"the key stands twice, first in line {first}", line))
            continue
        document.lines[(*path, key)] = line
        result[key] = _value(value_node, (*path, key), document, loader)
    return result


def _scalar(node: yaml.Node, path: KeyPath, document: Document, loader: _Loader) -> Any:
    if node.tag not in _TYPED:
        return str(node.value)
    try:
        value = loader.construct_object(node)
    except ValueError:
        # Thousands of digits, or signs without any.
        document.problems.append(Problem(path, "expected a number"))
        return None
    if value is None and path:
        document.problems.append(Problem(path, "the key has no value; give it one or delete it"))
    return value
