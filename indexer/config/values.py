"""The kinds of value that a key can take, each with the sentence that says what is expected."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    WithJsonSchema,
)

from indexer.config import ledger_url
from indexer.config.units import (
    DURATION_EXPECTED,
    DURATION_PATTERN,
    SIZE_EXPECTED,
    SIZE_PATTERN,
    parse_duration,
    parse_size,
    show_duration,
    show_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Instances:
    """Whether ImagingStudy.series.instance is written.

    Attributes
    ----------
    level
        ``full``: always; ``none``: never; ``capped``: only for studies of at most ``cap`` instances.
    cap
        Number of instances; only with ``capped``.
    """

    level: Literal["full", "none", "capped"]
    cap: int | None = None


_NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
_URL_EXPECTED = "expected an address such as https://host:port/path, without user name, '?' and '#'"
_URI_EXPECTED = "expected an absolute URI, such as urn:oid:1.2.3.4, urn:uuid:... or https://example.org/ids"
# RFC 3001 and ITU-T X.660: the first arc is 0, 1 or 2, no arc starts with a zero of its own.
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\"<>\\^`{|}]+")


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError(DURATION_EXPECTED)  # noqa: TRY004 - pydantic reports ValueError, a TypeError would escape
    return parse_duration(value)


def between(low: str, high: str) -> AfterValidator:
    """Limits of a duration or size, both allowed, written as in the file."""
    parse: Callable[[str], float] = parse_size if low.endswith("B") else parse_duration
    smallest, largest = parse(low), parse(high)

    def check(value: float) -> float:
        if not smallest <= value <= largest:
            raise ValueError(f"expected between {low} and {high}")
        return value

    return AfterValidator(check)


def _size(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError(SIZE_EXPECTED)  # noqa: TRY004 - as above
    return parse_size(value)


def _entries(value: Any) -> Any:
    # Not min_length: pydantic counts only the sound entries, and would report one mistake twice.
    if value == []:
        raise ValueError("expected at least one entry")
    return value


def _count(value: Any) -> Any:
    # YAML's 'yes' is a bool, and Python's bool is an int.
    if isinstance(value, bool | float):
        raise ValueError("expected a whole number")  # noqa: TRY004 - as above
    return value


def _name(value: str) -> str:
    if not re.fullmatch(_NAME_PATTERN, value, re.ASCII):
        raise ValueError("expected 1 to 63 small letters, digits or '-', not starting with '-'")
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or "@" in parts.netloc or set("?#\\") & set(value) or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(_URL_EXPECTED)
    return value.rstrip("/")


def _uri(value: str) -> str:
    if not _URI.fullmatch(value):
        raise ValueError(_URI_EXPECTED)
    scheme, _, rest = value.partition(":")
    kind, _, specific = rest.partition(":")
    if scheme.lower() == "urn":
        if kind == "oid" and not _OID.fullmatch(specific):
            raise ValueError("expected digits and points after urn:oid:, such as urn:oid:1.2.3.4")
        if kind == "uuid" and not _UUID.fullmatch(specific):
            raise ValueError("expected a UUID in small letters after urn:uuid:")
        if not specific:
            raise ValueError(_URI_EXPECTED)
    return value


def _term(value: str) -> str:
    # Code String of PS3.5, 6.2.
    if not re.fullmatch(r"[A-Z0-9][A-Z0-9 _]{0,15}", value):
        raise ValueError("expected a term that DICOM defines, such as CHEST: 1 to 16 capital letters, digits, ' ', '_'")
    return value


def _root(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", value):
        raise ValueError("expected a path on the Orthanc server, such as /dicom-web")
    return value.rstrip("/")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        # A path, a folder of the zone database, or ZoneInfoNotFoundError (a KeyError): one meaning to the reader.
        raise ValueError(_ZONE_EXPECTED) from None
    return value


_ZONE_EXPECTED = "expected the name of an IANA time zone, such as Europe/Berlin (needs the system's tzdata)"


def _path(value: Any) -> Any:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("expected the path of a file")
    return value


def _secret(value: Any) -> Any:
    if isinstance(value, int | float) or value in ("", None):
        raise ValueError("expected text, not empty; put it in quotes")
    return value


def _hex_key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not re.fullmatch(r"([0-9a-fA-F]{2}){32,}", text, re.ASCII):
        raise ValueError("expected 64 or more hexadecimal digits, an even number of them")
    return value


def _ledger(value: Any) -> Any:
    return ledger_url.checked(value) if isinstance(value, str) else value


def _instances(value: Any) -> Instances:
    if value == "full":
        return Instances("full")
    if value == "none":
        return Instances("none")
    if isinstance(value, dict) and set(value) == {"capped"}:
        cap = value["capped"]
        cap = int(cap) if isinstance(cap, str) and re.fullmatch("[0-9]{1,9}", cap, re.ASCII) else cap
        if isinstance(cap, int) and not isinstance(cap, bool) and cap >= 1:
            return Instances("capped", cap)
    raise ValueError("expected full, none or {capped: N} with N of 1 or more")


def _schema(**keywords: Any) -> WithJsonSchema:
    return WithJsonSchema(keywords)


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    PlainSerializer(show_duration),
    _schema(type="string", pattern=DURATION_PATTERN, title="duration"),
]
Size = Annotated[
    int,
    BeforeValidator(_size),
    PlainSerializer(show_size),
    _schema(type="string", pattern=SIZE_PATTERN, title="size"),
]
Entries = BeforeValidator(_entries)
Count = Annotated[int, BeforeValidator(_count)]
Name = Annotated[str, AfterValidator(_name), _schema(type="string", pattern=_NAME_PATTERN, title="name")]
Url = Annotated[str, AfterValidator(_url), _schema(type="string", pattern="^https?://[^?#@]+$", title="URL")]
Uri = Annotated[str, AfterValidator(_uri), _schema(type="string", pattern="^[A-Za-z][A-Za-z0-9+.-]*:", title="URI")]
Terms = Annotated[
    dict[str, Annotated[str, AfterValidator(_term)]],
    _schema(type="object", additionalProperties={"type": "string"}, title="names and terms"),
]
RootPath = Annotated[str, AfterValidator(_root), _schema(type="string", pattern="^/", title="path")]
Zone = Annotated[str, AfterValidator(_zone), _schema(type="string", title="time zone")]
LedgerUrl = Annotated[
    SecretStr,
    BeforeValidator(_ledger),
    _schema(type="string", pattern="^(sqlite:////|postgresql[+]psycopg://)", title="ledger"),
]
InstanceLevel = Annotated[
    Instances,
    PlainValidator(_instances),
    PlainSerializer(lambda value: value.level if value.cap is None else {"capped": value.cap}),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["full", "none"]},
                {
                    "type": "object",
                    "properties": {"capped": {"type": "integer", "minimum": 1}},
                    "required": ["capped"],
                    "additionalProperties": False,
                },
            ],
            "title": "full, none or {capped: N}",
        }
    ),
]
FilePath = Annotated[Path, BeforeValidator(_path), _schema(type="string", minLength=1, title="file")]
Secret = Annotated[SecretStr, BeforeValidator(_secret), _schema(type="string", minLength=1, title="secret")]
HexKey = Annotated[
    SecretStr,
    BeforeValidator(_secret),
    AfterValidator(_hex_key),
    _schema(type="string", minLength=1, title="secret"),
]
# Titles of the kinds above, as the table of keys shows them.
KINDS = frozenset(
    {
        "duration",
        "size",
        "name",
        "URL",
        "URI",
        "path",
        "time zone",
        "file",
        "secret",
        "ledger",
        "names and terms",
        "full, none or {capped: N}",
    }
)
