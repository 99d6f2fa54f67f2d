"""The configuration as JSON Schema, for editors that complete and check YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.config.fields import default_of, group_of
from indexer.config.model import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

_CONSTRAINTS: tuple[str, ...] = ("type", "enum", "const", "pattern", "minimum", "maximum")
_VARIABLE = {"type": "string", "pattern": "\\$\\{"}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the configuration file."""
    schema = Config.model_json_schema(by_alias=True)
    models = {model.__name__: model for model in _models(Config)}
    for name, group in (("Config", schema), *schema["$defs"].items()):
        properties = group["properties"]
        for field_name, field in models[name].model_fields.items():
            key = field.alias or field_name
            properties[key] = _with_default(_or_variable(properties[key]), default_of(models[name], field_name))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Configuration of dicom-fhir-indexer",
    }


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for name in model.model_fields:
        inner = group_of(model, name)
        if inner is not None:
            yield from _models(inner)


def _with_default(kind: dict[str, Any], default: Any) -> dict[str, Any]:
    kind = {key: value for key, value in kind.items() if key != "default"}
    return kind if default is None or "$ref" in kind else {**kind, "default": default}


def _or_variable(kind: dict[str, Any]) -> dict[str, Any]:
    """Let ``${NAME}`` stand where a number, a word of a list or a patterned text is expected."""
    plain = {key: kind.pop(key) for key in _CONSTRAINTS if key in kind}
    takes_any_text = set(plain) == {"type"} and plain["type"] == "string"
    if takes_any_text or plain.get("type") in {"object", "array"}:
        return {**kind, **plain}
    return {**kind, "anyOf": [plain, _VARIABLE]} if plain else kind
