"""What all groups of keys have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError, PydanticUndefined

from indexer.config.document import KeyPath  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo


def key(default: Any, text: str, *, example: Any = None, **limits: Any) -> Any:
    """A key of the file, which must be there if its default is ``...``.

    The text is its only description: for the example file, the JSON Schema and the documentation. An example stands in
    the example file in place of the default; limits are those of `pydantic.Field`.
    """
    return Field(default, description=text, examples=None if example is None else [example], **limits)


class Keys(BaseModel):
    """A group of keys: read-only, and a key that it does not know is a mistake.

    In the file durations carry their unit (``timeout: 120s``), in the program their names do (``timeout_s``).
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=lambda name: name.removesuffix("_s"),
    )

    @classmethod
    def fields(cls) -> dict[str, FieldInfo]:
        """The keys by their names in the file, those first that must be there."""
        in_order = sorted(cls.model_fields.values(), key=lambda field: not field.is_required())
        return {field.alias or "": field for field in in_order}

    @classmethod
    def group(cls, name: str) -> type[Keys] | None:
        """The group of keys below a key, or ``None`` where a plain value stands."""
        field = cls.fields().get(name)
        annotation = field.annotation if field else None
        candidates = (annotation, *getattr(annotation, "__args__", ()))
        return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, Keys)), None)

    @classmethod
    def at(cls, path: KeyPath) -> type[Keys]:
        """The group that stands at a path."""
        group = (cls.group(path[0]) if isinstance(path[0], str) else cls) if path else None
        return (group or cls).at(path[1:]) if path else cls

    @classmethod
    def groups(cls, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[Keys]]]:
        """This group and all below it, with the keys that lead there."""
        yield path, cls
        for name in cls.fields():
            group = cls.group(name)
            if group is not None:
                yield from group.groups((*path, name))

    @classmethod
    def default(cls, name: str) -> Any:
        """A key's default as the file writes it; ``None`` where it has none."""
        attribute = next(attribute for attribute, field in cls.model_fields.items() if field.alias == name)
        value = cls.model_fields[attribute].get_default(call_default_factory=True, validated_data={})
        if value is PydanticUndefined or value is None:
            return None
        # The model's own serializers write durations and sizes as the file has them.
        return cls.model_construct(**{attribute: value}).model_dump(mode="json", include={attribute})[attribute]


def mistake(path: KeyPath, expected: str) -> PydanticCustomError:
    """The error of a rule over several keys: what is expected at one of them, seen from the model that raises."""
    return PydanticCustomError("mistake", "{expected}", {"expected": expected, "path": path})
