"""The commented example file and the table of keys, both made from the model."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from indexer.config.fields import default_of, group_of
from indexer.config.model import Config
from indexer.config.schema import json_schema
from indexer.config.values import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_WIDTH = 100
_PLAIN = {
    "integer": "whole number",
    "boolean": "`true`, `false`",
    "string": "text",
    "object": "names and URIs",
    "array": "list",
}
_HEAD = """\
# Configuration of dicom-fhir-indexer.
#
# Keys that are switched off ('#key: value') show their default, or an example where there is none.
# Durations carry a unit (500ms, 30s, 5m, 2h, 1d), sizes too (500KB, 4MiB).
# ${NAME} and ${NAME:-default} stand for environment variables; $${ is a plain ${.
# Paths of files are taken from the folder of this file; a bare name is a systemd credential.
# Check with: dicom-fhir-indexer config check
"""


def example() -> str:
    """Return the commented example file; it loads as it stands."""
    return _HEAD + "\n".join(_group(Config, "", top=True)) + "\n"


def _group(model: type[BaseModel], indent: str, *, top: bool = False) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if top:
            yield ""
        yield from _key(model, name, field, indent)


def _key(model: type[BaseModel], name: str, field: FieldInfo, indent: str) -> Iterator[str]:
    key = field.alias or name
    yield from textwrap.wrap(
        field.description or "", _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
    )
    group = group_of(model, name)
    if group is None:
        yield f"{indent}{'' if field.is_required() else '#'}{key}: {_shown(model, name, field)}"
    elif key == "sources":
        yield f"{indent}{key}:"
        yield from _entry(_group(group, indent + "    "), indent)
    else:
        lines = list(_group(group, indent + "  "))
        yield f"{indent}{key}:" if field.is_required() else f"{indent}#{key}:"
        yield from lines if field.is_required() else (_switched_off(line, indent) for line in lines)


def _entry(lines: Iterator[str], indent: str) -> Iterator[str]:
    """Put the dash of a list's entry before its first key."""
    dashed = False
    for line in lines:
        if not dashed and not line.lstrip().startswith("#"):
            yield f"{indent}  - {line.lstrip()}"
            dashed = True
        else:
            yield line


def _switched_off(line: str, indent: str) -> str:
    """Keep a switched-off group's keys below it: the sign stands in the group's own column."""
    inner = line.removeprefix(indent).lstrip()
    depth = len(line) - len(indent) - len(inner)
    # One blank after the sign: a comment. None, or more in a group within the group: a key, switched off already.
    is_comment = inner.startswith("# ") and not inner.startswith("#  ")
    return f"{indent}#{' ' * depth}{inner if is_comment else inner.removeprefix('#')}"


def _shown(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    value = field.examples[0] if field.examples else default_of(model, name)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def key_table() -> str:
    """Return the table of all keys in Markdown, for the documentation."""
    rows = ["| key | kind | default | meaning |", "|---|---|---|---|", *_rows(Config, "")]
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        group = group_of(model, name)
        if group is not None:
            yield from _rows(group, f"{key}[]." if key == "sources" else f"{key}.")
            continue
        default = "(required)" if field.is_required() else _default_cell(model, name)
        yield f"| `{key}` | {_kind(model, field.alias or name)} | {default} | {field.description} |"


def _default_cell(model: type[BaseModel], name: str) -> str:
    value = default_of(model, name)
    if value in (None, {}, []):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _kind(model: type[BaseModel], key: str) -> str:
    schema = json_schema()
    group = schema if model is Config else schema["$defs"][model.__name__]
    kind = group["properties"][key]
    choices = [kind, *kind.get("anyOf", [])]
    for choice in choices:
        if "enum" in choice and choice.get("type") == "string":
            return ", ".join(f"`{word}`" for word in choice["enum"])
    named = [choice["title"] for choice in choices if choice.get("title") in KINDS]
    return named[0] if named else _PLAIN[next(choice["type"] for choice in choices if "type" in choice)]
