"""What the model knows about its keys: names in the file, groups, defaults as the file writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from indexer.config.model import Config

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from indexer.config.document import Path


def group_of(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Return the group of keys below a field, or ``None`` where a plain value stands."""
    annotation = model.model_fields[name].annotation if name in model.model_fields else None
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def model_at(path: Path) -> type[BaseModel]:
    """Return the group of keys that stands at a path."""
    model: type[BaseModel] = Config
    for step in path:
        model = (group_of(model, step) if isinstance(step, str) else None) or model
    return model


def fields_at(path: Path) -> dict[str, FieldInfo]:
    """Return the keys that may stand in the group at a path, by their names in the file."""
    return {field.alias or name: field for name, field in model_at(path).model_fields.items()}


def all_groups() -> dict[str, set[str]]:
    """Return the keys of each group, by the words that say where the group stands."""
    groups = {"at the top of the file": set(fields_at(()))}
    for name in Config.model_fields:
        outer = group_of(Config, name)
        if outer is None:
            continue
        groups[f"under {name}"] = set(fields_at((name,)))
        for inner in outer.model_fields:
            if group_of(outer, inner):
                groups[f"under {name}.{inner}"] = set(fields_at((name, inner)))
    return groups


def default_of(model: type[BaseModel], name: str) -> Any:
    """Return a field's default as the file writes it; ``None`` where it has none."""
    value = model.model_fields[name].get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None:
        return None
    # The model's own serializers write durations and sizes as the file has them.
    return model.model_construct(**{name: value}).model_dump(mode="json", include={name}, by_alias=False)[name]
