"""Removes everything from a record that could be patient data."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re

from indexer.log.events import ALLOWED, Event
from indexer.visible import visible

_OURS = "indexer"
_LONGEST = 300
_UID = re.compile(r"(?<![0-9.])[0-9]+(?:\.[0-9]+){4,}")
_QUERY = re.compile(r"\?\S*=\S*")
_URL = re.compile(r"([a-z][a-z0-9+.-]*://)(?:[^/\s?#@]*@)?([^/\s?#]*)[^\s]*", re.IGNORECASE)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def study_key(site_key: bytes, study_instance_uid: str) -> str:
    """Name of a study in logs: 12 hexadecimal digits of an HMAC-SHA256 (RFC 2104), which hide the UID."""
    return hmac.new(site_key, f"study|{study_instance_uid}".encode(), hashlib.sha256).hexdigest()[:12]


def scrubbed(text: str) -> str:
    """Make a text safe for one line of a log.

    UIDs are masked, URLs are reduced to scheme and host, control characters and those that change the direction of
    writing are escaped, and long texts are cut.
    """
    # Cut first: the time of the searches below grows with the square of the length.
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    text = _QUERY.sub("", _URL.sub(r"\1\2", text))
    text = _UID.sub("[uid]", text)
    return visible(text)


class PhiGuard(logging.Filter):
    """Removes everything from a record that could be patient data; never rejects a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop arguments and unknown facts, scrub the rest; returns true."""
        record.msg = _sentence(record)
        record.args = None
        for key in [key for key in vars(record) if key not in _STANDARD]:
            value = _fact(key, getattr(record, key)) if key in ALLOWED else None
            if value is None:
                delattr(record, key)
            else:
                setattr(record, key, value)
        return True


def is_ours(record: logging.LogRecord) -> bool:
    """Whether a record is the program's own."""
    return record.name.partition(".")[0] == _OURS


def _sentence(record: logging.LogRecord) -> str:
    if is_ours(record) or record.args:
        # With arguments, the message is the library's own template; without, it may already contain data.
        return scrubbed(str(record.msg))
    return "A library wrote a message; its text is withheld."


def _fact(key: str, value: object) -> str | int | float | bool | None:
    if key == "event":
        return value.value if isinstance(value, Event) else None
    if isinstance(value, bool | int | float):
        return value
    return scrubbed(value) if isinstance(value, str) else None
