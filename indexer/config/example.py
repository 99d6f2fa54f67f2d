"""The commented example file, the table of keys and the JSON Schema, all made from the model."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from indexer.config.model import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from indexer.config.keys import Keys

_WIDTH = 100
_PLAIN = {
    "integer": "whole number",
    "boolean": "`true`, `false`",
    "string": "text",
    "object": "names and URIs",
    "array": "list",
}
_CONSTRAINTS = ("type", "enum", "const", "pattern", "minimum", "maximum")
_VARIABLE = {"type": "string", "pattern": "\\$\\{"}
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


def _group(group: type[Keys], indent: str, *, top: bool = False) -> Iterator[str]:
    for name, field in group.fields().items():
        if top:
            yield ""
        yield from _key(group, name, field, indent)


def _key(group: type[Keys], name: str, field: FieldInfo, indent: str) -> Iterator[str]:
    comment = f"{indent}# "
    yield from textwrap.wrap(field.description or "", _WIDTH, initial_indent=comment, subsequent_indent=comment)
    inner = group.group(name)
    off = "" if field.is_required() else "#"
    if inner is None:
        value = field.examples[0] if field.examples else group.default(name)
        yield f"{indent}{off}{name}: {_written(value)}"
        return
    yield f"{indent}{off}{name}:"
    if name == "sources":
        yield from _entry(_group(inner, indent + "    "), indent)
    else:
        lines = _group(inner, indent + "  ")
        yield from (_switched_off(line, indent) for line in lines) if off else lines


def _entry(lines: Iterator[str], indent: str) -> Iterator[str]:
    """Put the dash of a list's entry before its first key."""
    for line in lines:
        if not line.lstrip().startswith("#"):
            yield f"{indent}  - {line.lstrip()}"
            break
        yield line
    yield from lines


def _switched_off(line: str, indent: str) -> str:
    """Keep a switched-off group's keys below it: the sign stands in the group's own column."""
    inner = line.removeprefix(indent).lstrip()
    depth = len(line) - len(indent) - len(inner)
    # One blank after the sign: a comment. None, or more in a group within the group: a key, switched off already.
    is_comment = inner.startswith("# ") and not inner.startswith("#  ")
    return f"{indent}#{' ' * depth}{inner if is_comment else inner.removeprefix('#')}"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def key_table() -> str:
    """Return the table of all keys in Markdown, for the documentation."""
    rows = ["| key | kind | default | meaning |", "|---|---|---|---|", *_rows(Config, "")]
    return "\n".join(rows) + "\n"


def _rows(group: type[Keys], prefix: str) -> Iterator[str]:
    schema = json_schema()
    kinds = (schema if group is Config else schema["$defs"][group.__name__])["properties"]
    for name, field in group.fields().items():
        inner = group.group(name)
        if inner is not None:
            yield from _rows(inner, f"{prefix}{name}{'[]' if name == 'sources' else ''}.")
            continue
        value = group.default(name)
        default = "(required)" if field.is_required() else f"`{_written(value)}`" if value not in (None, {}, []) else ""
        yield f"| `{prefix}{name}` | {_kind(kinds[name])} | {default} | {field.description} |"


def _kind(schema: dict[str, Any]) -> str:
    """The words that can be chosen, our own name for a kind of value, or JSON's type."""
    choices = [schema, *schema.get("anyOf", [])]
    for choice in choices:
        if "enum" in choice and choice.get("type") == "string":
            return ", ".join(f"`{word}`" for word in choice["enum"])
    # Titles that pydantic makes of keys begin with capitals.
    names: list[str] = [choice["title"] for choice in choices if "title" in choice and not choice["title"].istitle()]
    if names:
        return names[0]
    return _PLAIN[next(choice["type"] for choice in choices if "type" in choice)]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the configuration file."""
    schema = Config.model_json_schema()
    for _, group in Config.groups():
        properties = (schema if group is Config else schema["$defs"][group.__name__])["properties"]
        for name in group.fields():
            properties[name] = _with_default(_or_variable(properties[name]), group.default(name))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Configuration of dicom-fhir-indexer",
    }


def _with_default(kind: dict[str, Any], default: Any) -> dict[str, Any]:
    kind = {key: value for key, value in kind.items() if key != "default"}
    return kind if default is None or "$ref" in kind else {**kind, "default": default}


def _or_variable(kind: dict[str, Any]) -> dict[str, Any]:
    """Let ``${NAME}`` stand where a number, a word of a list or a patterned text is expected."""
    plain = {key: kind.pop(key) for key in _CONSTRAINTS if key in kind}
    if not plain or plain == {"type": "string"} or plain.get("type") in {"object", "array"}:
        return {**kind, **plain}
    return {**kind, "anyOf": [plain, _VARIABLE]}
