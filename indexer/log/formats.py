"""Records as JSON lines, or as text for people."""

from __future__ import annotations

import json
import logging
import os
import re
import traceback
from datetime import UTC, datetime
from typing import Any

from indexer.errors import IndexerError
from indexer.log.events import ALLOWED
from indexer.log.privacy import is_ours, scrubbed


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = {key: value for key, value in vars(record).items() if key in ALLOWED}
    if record.exc_info and record.exc_info[1]:
        facts["error"] = _classes(record.exc_info[1])
        if isinstance(record.exc_info[1], IndexerError):
            facts["problem"] = scrubbed(str(record.exc_info[1]))  # our own texts contain no patient data
        facts["at"] = _places(record.exc_info[1])
    if not is_ours(record):
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
