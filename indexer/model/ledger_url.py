"""Addresses of ledgers: an SQLite file or a PostgreSQL database, in SQLAlchemy's notation."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

_SQLITE = re.compile(r"sqlite:////[^?#\0]*[^/?#\0]")
_SCHEMES = frozenset({"postgresql", "postgresql+psycopg"})
_EXPECTED = "expected sqlite:////absolute/path/ledger.db (four slashes) or postgresql://user@host:5432/database"


def checked(url: str) -> str:
    """Return the address unchanged if it is one that the ledger can use.

    Raises
    ------
    ValueError
        It is not; the text never quotes it, because it may hold a password.
    """
    if not _SQLITE.fullmatch(url) and not _is_postgresql(url):
        raise ValueError(_EXPECTED)
    return url


def _is_postgresql(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname) and port != 0 and len(parts.path) > 1


def has_password(url: str) -> bool:
    """Tell whether the password stands in the address."""
    return _is_postgresql(url) and urlsplit(url).password is not None


def with_password(url: str, password: str | None) -> str:
    """Put a password into the address, or take it out with ``None``."""
    if not _is_postgresql(url):
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    user = user.partition(":")[0]
    secret = f":{quote(password, safe='')}" if password is not None else ""
    return urlunsplit(parts._replace(netloc=f"{user}{secret}{at}{host}"))
