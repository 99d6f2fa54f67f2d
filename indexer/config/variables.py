"""``${NAME}`` and ``${NAME:-default}`` in values.

They are resolved after parsing, so that a value cannot change the file's encoding.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from indexer.config.document import KeyPath, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}|\$\{")
_MALFORMED = "expected ${NAME} or ${NAME:-default}; write $${ for a plain ${"


class FromEnvironment(str):
    """Text of which a part came from the environment: a secret in it does not stand in the file."""

    __slots__ = ()


def resolve(value: Any, environ: Mapping[str, str], problems: list[Problem], path: KeyPath = ()) -> Any:
    """Put the environment's values in place of variables, in a value and all below it.

    The problems get one for each value with an unknown or malformed variable.
    """
    if isinstance(value, dict):
        return {key: resolve(inner, environ, problems, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, environ, problems, (*path, index)) for index, inner in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    mistakes: list[str] = []
    text = _TOKEN.sub(lambda match: _value_of(match, environ, mistakes), value)
    problems += [Problem(path, mistake) for mistake in mistakes[:1]]
    is_from_environment = any(environ.get(match["name"] or "") for match in _TOKEN.finditer(value))
    return FromEnvironment(text) if is_from_environment else text


def _value_of(match: re.Match[str], environ: Mapping[str, str], mistakes: list[str]) -> str:
    if match[0] == "$${":
        return "${"
    name, default = match["name"], match["default"]
    if name is None:
        mistakes.append(_MALFORMED)
    # As in a shell, ':-' also stands in for a variable that is set but empty.
    elif environ.get(name) or (name in environ and default is None):
        return environ[name]
    elif default is None:
        mistakes.append(f"the environment variable {name} is not set; set it or write ${{{name}:-default}}")
    return (default or "")[2:]
