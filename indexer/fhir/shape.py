"""What an answer must look like before anything of it is read: a malformed one is the server's fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from indexer.errors import ProtocolViolation

if TYPE_CHECKING:
    from indexer.transport import Response

_LISTS: Final = ("endpoint", "identifier", "link")
_OF_PATIENT: Final = (*_LISTS, "name")
_TEXTS: Final = ("birthDate", "gender")


def bundle(response: Response) -> dict[str, Any]:
    """A Bundle whose entries and links are lists of objects, nested no deeper than any resource.

    Raises
    ------
    ProtocolViolation
        If the answer is none.
    """
    value = dict_of(response.json())
    if value.get("resourceType") != "Bundle":
        raise violation(response, "answered without a Bundle")
    for element in ("entry", "link"):
        if not _is_list_of_objects(value, element):
            raise violation(response, f"answered a Bundle with a malformed {element}")
    try:
        orjson.dumps(value)  # 254 levels at most
    except orjson.JSONEncodeError:
        raise violation(response, "answered a Bundle that is nested too deep") from None
    return value


def resource(response: Response, value: dict[str, Any]) -> dict[str, Any]:
    """A resource with an id, and with what is read of it well-formed.

    Raises
    ------
    ProtocolViolation
        If it is malformed.
    """
    fhir_id = value.get("id")
    if not isinstance(fhir_id, str) or not fhir_id:
        raise violation(response, "answered a resource without an id")
    for element in _OF_PATIENT if value.get("resourceType") == "Patient" else _LISTS:
        if not _is_list_of_objects(value, element):
            raise violation(response, f"answered a resource with a malformed {element}")
    if not all(isinstance(value.get(element), str | None) for element in _TEXTS):
        raise violation(response, "answered a resource with malformed demographics")
    identifiers = value.get("identifier") or []
    if not all(isinstance(identifier.get(key, ""), str) for identifier in identifiers for key in ("system", "value")):
        raise violation(response, "answered a resource with a malformed identifier")
    return value


def dict_of(value: object) -> dict[str, Any]:
    """An object; an empty one if this is none."""
    return value if isinstance(value, dict) else {}


def text_of(value: object) -> str:
    """A text; an empty one if this is none."""
    return value if isinstance(value, str) else ""


def violation(response: Response, text: str, hint: str | None = None) -> ProtocolViolation:
    """The error for an answer that is malformed; `text` never has a value of it."""
    return ProtocolViolation(f"{response.peer} {text}", peer=response.peer, status=response.status, hint=hint)


def _is_list_of_objects(value: dict[str, Any], element: str) -> bool:
    values = value.get(element)
    return values is None or (isinstance(values, list) and all(isinstance(item, dict) for item in values))
