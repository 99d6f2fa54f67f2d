"""What a server does with entries that ask it for an id: ``POST``, with ``If-None-Exist``."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

import orjson

Json = dict[str, Any]


def with_ids(entries: Sequence[Json], find: Callable[[str, str], str | None], *, is_transaction: bool) -> list[Json]:
    """The entries with every POST as a PUT under a new id, or as a GET of what is there already.

    In a transaction references by ``fullUrl`` are replaced by those ids.

    Parameters
    ----------
    find
        Id of the resource of a type that bears an identifier (``system|value``).
    """
    given = [_with_id(entry, find) for entry in entries]
    text = orjson.dumps(given)
    if is_transaction:
        for entry in given:
            if "fullUrl" in entry:
                text = text.replace(
                    b'"reference":' + orjson.dumps(entry["fullUrl"]),
                    b'"reference":' + orjson.dumps(entry["request"]["url"]),
                )
    resolved: list[Json] = orjson.loads(text)
    return resolved


def _with_id(entry: Json, find: Callable[[str, str], str | None]) -> Json:
    request = entry["request"]
    if request["method"] != "POST":
        return entry
    identifiers = parse_qs(request.get("ifNoneExist", "")).get("identifier", [])
    present = next((find(request["url"], identifier) for identifier in identifiers), None)
    fhir_id = present or str(uuid.uuid4())
    method = "GET" if present else "PUT"
    return {
        **entry,
        "resource": {**entry["resource"], "id": fhir_id},
        "request": {"method": method, "url": f"{request['url']}/{fhir_id}"},
    }
