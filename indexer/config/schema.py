"""The configuration as JSON Schema, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from indexer.config.model import Config

_CONSTRAINTS = ("type", "enum", "const", "pattern", "minimum", "maximum")
_VARIABLE = {"type": "string", "pattern": "\\$\\{"}


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
