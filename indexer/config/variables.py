"""``${NAME}`` and ``${NAME:-default}`` in values.

They are resolved after parsing, so that a value cannot change the file's encoding.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from indexer.config.document import Path, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}|\$\{")
_MALFORMED = "expected ${NAME} or ${NAME:-default}; write $${ for a plain ${"


class _UnresolvedError(Exception):
    """A variable cannot be resolved; the text says what is expected."""


def resolve(tree: Any, environ: Mapping[str, str], problems: list[Problem]) -> tuple[Any, frozenset[Path]]:
    """Put the environment's values in place of variables.

    Parameters
    ----------
    tree
        Plain values as read from the file.
    environ
        The environment.
    problems
        Gets one problem for each value with an unknown or malformed variable.

    Returns
    -------
    tuple
        The resolved values, and the paths of those values that came from the environment.
    """
    resolved: dict[Path, str] = {}
    from_environment: set[Path] = set()
    for path, text in _texts(tree, ()):
        if "${" not in text:
            continue
        try:
            resolved[path], used = _substitute(text, environ)
        except _UnresolvedError as error:
            problems.append(Problem(path, str(error)))
        else:
            if used:
                from_environment.add(path)
    return _replaced(tree, (), resolved), frozenset(from_environment)


def _texts(tree: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(tree, str):
        yield path, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from _texts(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _texts(value, (*path, index))


def _replaced(tree: Any, path: Path, resolved: Mapping[Path, str]) -> Any:
    if isinstance(tree, dict):
        return {key: _replaced(value, (*path, key), resolved) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_replaced(value, (*path, index), resolved) for index, value in enumerate(tree)]
    return resolved.get(path, tree)


def _substitute(text: str, environ: Mapping[str, str]) -> tuple[str, bool]:
    used = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal used
        if match[0] == "$${":
            return "${"
        name, default = match["name"], match["default"]
        if name is None:
            raise _UnresolvedError(_MALFORMED)
        # As in a shell, ':-' also stands in for a variable that is set but empty.
        if environ.get(name) or (name in environ and default is None):
            used = True
            return environ[name]
        if default is None:
            raise _UnresolvedError(f"the environment variable {name} is not set; set it or write ${{{name}:-default}}")
        return default[2:]

    return _TOKEN.sub(value_of, text), used
