"""The kinds of value that a key can take, each with the sentence that says what is expected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from indexer.config.units import DURATION, SIZE
from indexer.model import ledger_url
from indexer.model.choices import Instances

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
_URL_EXPECTED = "expected an address such as https://host:port/path, without user name, '?' and '#'"
_URI_EXPECTED = "expected an absolute URI, such as urn:oid:1.2.3.4, urn:uuid:... or https://example.org/ids"
# RFC 3001 and ITU-T X.660: the first arc is 0, 1 or 2, no arc starts with a zero of its own.
_OID = r"[0-2](\.(0|[1-9][0-9]*))+"
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\"<>\\^`{|}]+"
_ZONE_EXPECTED = "expected the name of an IANA time zone, such as Europe/Berlin (needs the system's tzdata)"


def _text(pattern: str, expected: str) -> AfterValidator:
    """Text of one form."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


def _schema(title: str, **keywords: Any) -> WithJsonSchema:
    """Schema of a kind; its title is shown in the table of keys."""
    return WithJsonSchema({"type": "string", **keywords, "title": title})


def between(low: str, high: str) -> AfterValidator:
    """Limits of a duration or size, both allowed, written as in the file."""
    parse: Callable[[str], float] = (SIZE if low.endswith("B") else DURATION).parse
    smallest, largest = parse(low), parse(high)

    def check(value: float) -> float:
        if not smallest <= value <= largest:
            raise ValueError(f"expected between {low} and {high}")
        return value

    return AfterValidator(check)


def _entries(value: Any) -> Any:
    # Not min_length: pydantic counts only the sound entries, and would report one mistake twice.
    if value == []:
        raise ValueError("expected at least one entry")
    return value


def _count(value: Any) -> Any:
    # YAML's 'yes' is a bool, and Python's bool is an int.
    if isinstance(value, bool | float):
        raise ValueError("expected a whole number")  # noqa: TRY004 - pydantic reports ValueError, a TypeError would escape
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or "@" in parts.netloc or set("?#\\") & set(value) or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(_URL_EXPECTED)
    return value.rstrip("/")


def _uri(value: str) -> str:
    scheme, kind, specific = [*value.split(":", 2), "", ""][:3]
    if not re.fullmatch(_URI, value) or (scheme.lower() == "urn" and not specific):
        raise ValueError(_URI_EXPECTED)
    if scheme.lower() == "urn" and kind == "oid" and not re.fullmatch(_OID, specific):
        raise ValueError("expected digits and points after urn:oid:, such as urn:oid:1.2.3.4")
    if scheme.lower() == "urn" and kind == "uuid" and not re.fullmatch(_UUID, specific):
        raise ValueError("expected a UUID in small letters after urn:uuid:")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        # A path, a folder of the zone database, or ZoneInfoNotFoundError (a KeyError): one meaning to the reader.
        raise ValueError(_ZONE_EXPECTED) from None
    return value


def _path(value: Any) -> Any:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("expected the path of a file")
    return value


def _secret(value: Any) -> Any:
    if isinstance(value, int | float) or value in ("", None):
        raise ValueError("expected text, not empty; put it in quotes")
    return value


def _hex_key(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"([0-9a-fA-F]{2}){32,}", value.get_secret_value(), re.ASCII):
        raise ValueError("expected 64 or more hexadecimal digits, an even number of them")
    return value


def _ledger(value: Any) -> Any:
    return ledger_url.checked(value) if isinstance(value, str) else value


def _instances(value: Any) -> Instances:
    if value in ("full", "none"):
        return Instances(value)
    if isinstance(value, dict) and set(value) == {"capped"}:
        cap = value["capped"]
        cap = int(cap) if isinstance(cap, str) and re.fullmatch("[0-9]{1,9}", cap, re.ASCII) else cap
        if isinstance(cap, int) and not isinstance(cap, bool) and cap >= 1:
            return Instances("capped", cap)
    raise ValueError("expected full, none or {capped: N} with N of 1 or more")


Duration = Annotated[
    float,
    BeforeValidator(DURATION.parse),
    PlainSerializer(DURATION.show),
    _schema("duration", pattern=DURATION.pattern),
]
Size = Annotated[
    int,
    BeforeValidator(lambda value: int(SIZE.parse(value))),
    PlainSerializer(SIZE.show),
    _schema("size", pattern=SIZE.pattern),
]
Entries = BeforeValidator(_entries)
Count = Annotated[int, BeforeValidator(_count)]
Name = Annotated[
    str,
    _text(_NAME, "expected 1 to 63 small letters, digits or '-', not starting with '-'"),
    _schema("name", pattern=_NAME),
]
Url = Annotated[str, AfterValidator(_url), _schema("URL", pattern="^https?://[^?#@]+$")]
Uri = Annotated[str, AfterValidator(_uri), _schema("URI", pattern="^[A-Za-z][A-Za-z0-9+.-]*:")]
# Code String of PS3.5, 6.2.
_TERM = _text(
    r"[A-Z0-9][A-Z0-9 _]{0,15}",
    "expected a term that DICOM defines, such as CHEST: 1 to 16 capital letters, digits, ' ', '_'",
)
Terms = Annotated[
    dict[str, Annotated[str, _TERM]],
    _schema("names and terms", type="object", additionalProperties={"type": "string"}),
]
RootPath = Annotated[
    str,
    _text(r"(/[A-Za-z0-9._~-]+)+/?", "expected a path on the Orthanc server, such as /dicom-web"),
    AfterValidator(lambda value: value.rstrip("/")),
    _schema("path", pattern="^/"),
]
Zone = Annotated[str, AfterValidator(_zone), _schema("time zone")]
LedgerUrl = Annotated[
    SecretStr, BeforeValidator(_ledger), _schema("ledger", pattern="^(sqlite:////|postgresql([+]psycopg)?://)")
]
_CAPPED = {
    "type": "object",
    "properties": {"capped": {"type": "integer", "minimum": 1}},
    "required": ["capped"],
    "additionalProperties": False,
}
InstanceLevel = Annotated[
    Instances,
    PlainValidator(_instances),
    PlainSerializer(lambda value: value.level if value.cap is None else {"capped": value.cap}),
    WithJsonSchema({"anyOf": [{"enum": ["full", "none"]}, _CAPPED], "title": "full, none or {capped: N}"}),
]
FilePath = Annotated[Path, BeforeValidator(_path), _schema("file", minLength=1)]
Secret = Annotated[SecretStr, BeforeValidator(_secret), _schema("secret", minLength=1)]
HexKey = Annotated[Secret, AfterValidator(_hex_key)]
