"""Logging without patient data: JSON lines or text on stderr.

A message is a short fixed sentence. Facts are in ``extra``: ``event`` (one of `Event`) and keys of `ALLOWED`;
`PhiGuard` drops anything else. Arguments are never formatted into a message, and texts of foreign exceptions are never
written: both could contain patient data. A record of a foreign library shows where it comes from, not what it says.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import sys
import traceback
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from indexer.errors import IndexerError

if TYPE_CHECKING:
    from typing import TextIO

_OURS = "indexer"
_LONGEST = 300
_QUIET = ("urllib3", "requests", "sqlalchemy", "alembic", "pynetdicom", "pydicom", "apscheduler")
_UID = re.compile(r"(?<![0-9.])[0-9]+(?:\.[0-9]+){4,}")
_QUERY = re.compile(r"\?\S*=\S*")
_URL = re.compile(r"([a-z][a-z0-9+.-]*://)(?:[^/\s?#@]*@)?([^/\s?#]*)[^\s]*", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class Event(StrEnum):
    """What a record is about; a closed set, stable for those who search logs."""

    PAGE_NOTED = "page_noted"
    STUDY_PUBLISHED = "study_published"
    STUDY_UNCHANGED = "study_unchanged"
    STUDY_QUARANTINED = "study_quarantined"
    STUDY_WAITS = "study_waits"
    STUDY_VANISHED = "study_vanished"
    BUNDLE_SENT = "bundle_sent"
    BUNDLE_REFUSED = "bundle_refused"
    STUDY_FAILED = "study_failed"
    PEER_LOST = "peer_lost"
    PEER_BACK = "peer_back"
    TARGET_REPLACED = "target_replaced"
    LEDGER_WAITS = "ledger_waits"
    LEDGER_BACK = "ledger_back"
    FEED_EPOCH = "feed_epoch"
    DRAIN_STARTED = "drain_started"
    DRAIN_ENDED = "drain_ended"
    STARTED = "started"
    STOP_REQUESTED = "stop_requested"
    STOPPED = "stopped"
    CONFIG_WARNING = "config_warning"
    TOKEN_UNREADABLE = "token_unreadable"  # noqa: S105 - no secret
    PATIENT_MISMATCH = "patient_mismatch"
    PATIENT_NAMES_DIFFER = "patient_names_differ"
    PATIENT_SYSTEM_MADE = "patient_system_made"


ALLOWED = frozenset(
    {
        "busy_ms",
        "bytes",
        "cause",
        "count",
        "duration_ms",
        "entries",
        "epoch",
        "event",
        "peer",
        "problem",
        "published",
        "quarantined",
        "source",
        "status",
        "study_key",
    }
)
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
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


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


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == _OURS


def _sentence(record: logging.LogRecord) -> str:
    if _is_ours(record) or record.args:
        # With arguments, the message is the library's own template; without, it may already contain data.
        return scrubbed(str(record.msg))
    return "A library wrote a message; its text is withheld."


def _fact(key: str, value: object) -> str | int | float | bool | None:
    if key == "event":
        return value.value if isinstance(value, Event) else None
    if isinstance(value, bool | int | float):
        return value
    return scrubbed(value) if isinstance(value, str) else None


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = {key: value for key, value in vars(record).items() if key in ALLOWED}
    if record.exc_info and record.exc_info[1]:
        facts["error"] = _classes(record.exc_info[1])
        if isinstance(record.exc_info[1], IndexerError):
            facts["problem"] = scrubbed(str(record.exc_info[1]))  # our own texts contain no patient data
        facts["at"] = _places(record.exc_info[1])
    if not _is_ours(record):
        facts["place"] = f"{record.module}:{record.lineno}"
    return facts


def _classes(error: BaseException) -> str:
    names: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(names) < 8:
        names.append(type(cause).__name__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return " from ".join(names)


def _places(error: BaseException) -> str:
    # Places only: lines of source text could contain literals of a test or a script.
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " > ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames)


def _time(record: logging.LogRecord) -> str:
    stamp = datetime.fromtimestamp(record.created, UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record that `PhiGuard` has filtered."""
        head = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return json.dumps({**head, **_facts(record)}, ensure_ascii=True, allow_nan=True)


class TextFormatter(logging.Formatter):
    """One line per record, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record that `PhiGuard` has filtered."""
        facts = " ".join(f"{key}={_quoted(value)}" for key, value in _facts(record).items())
        return f"{_time(record)} {record.levelname:<7} {record.getMessage()} {facts}".rstrip()


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text) if re.search(r"[\s\"=]", text) or not text else text


class QuietHandler(logging.StreamHandler["TextIO"]):
    """Writes records and never raises: a full disk or a closed pipe does not stop the work.

    A stream with a file descriptor is written without its buffer: what a full disk refuses would stay in the buffer,
    and Python would end with exit code 120.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or give up silently."""
        try:
            text = self.format(record) + self.terminator
            descriptor = _descriptor(self.stream)
            if descriptor is None:
                self.stream.write(text)
                self.stream.flush()
            else:
                _write_whole(descriptor, text.encode("utf-8", "backslashreplace"))
        except (OSError, ValueError):
            return  # no space, no reader or a closed stream: there is nowhere left to report it


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _write_whole(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def configure(log_format: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Send all records of the process through `PhiGuard` to one stream.

    Parameters
    ----------
    log_format
        ``json``, ``text``, or ``auto``: text on a terminal, JSON lines elsewhere.
    stream
        stderr by default; nothing is written if the process was started without one.
    """
    stream = stream or sys.stderr
    handler: logging.Handler = QuietHandler(stream) if stream else logging.NullHandler()
    as_text = log_format == "text" or (log_format == "auto" and stream and stream.isatty())
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    handler.addFilter(PhiGuard())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
