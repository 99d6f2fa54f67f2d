"""Where records go; logging never keeps the work waiting and never ends it."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from indexer.log.events import Event
from indexer.log.formats import JsonFormatter, TextFormatter
from indexer.log.line_writer import LineWriter
from indexer.log.privacy import PhiGuard

if TYPE_CHECKING:
    from typing import TextIO

FLUSH_S = 1.0
"""How long the end of a process may wait for whoever reads its log."""

QUIET = ("urllib3", "requests", "sqlalchemy", "alembic", "pynetdicom", "pydicom", "apscheduler")


class QuietHandler(logging.StreamHandler["TextIO"]):
    """Writes to a stream that is no file; never raises."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or give up silently."""
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.stream.flush()
        except (OSError, ValueError):
            return  # a closed stream: there is nowhere left to report it


class QueueingHandler(logging.Handler):
    """Writes to a descriptor, past the buffer of its stream; logging neither waits for who reads it nor raises.

    What a full disk refuses would stay in the buffer, and Python would end with exit code 120.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.writer = LineWriter(descriptor, self._dropped)

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record in the thread that logs it, and leave it to the writer."""
        self.writer.put(self.format(record))

    def flush(self) -> None:
        """Wait for the writer, not for ever."""
        self.writer.flush(FLUSH_S)

    def _dropped(self, count: int) -> str:
        """A record that cannot be dropped itself, for it does not go through the logger."""
        facts = {"levelname": "WARNING", "event": Event.LOG_DROPPED, "count": count}
        message = "records were dropped because nobody read the log"
        return self.format(logging.makeLogRecord({"name": __name__, "msg": message, **facts}))


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


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
    handler = _handler(stream) if stream else logging.NullHandler()
    as_text = log_format == "text" or (log_format == "auto" and stream and stream.isatty())
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    handler.addFilter(PhiGuard())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _handler(stream: TextIO) -> logging.Handler:
    descriptor = _descriptor(stream)
    return QuietHandler(stream) if descriptor is None else QueueingHandler(descriptor)


def tell(line: str) -> bool:
    """Write a line for people below all records, past every buffer; false if records do not go to a descriptor."""
    handlers = _queueing_handlers()
    for handler in handlers:
        handler.writer.put(line)
    return bool(handlers)


def flush() -> None:
    """Wait until all is written, but no longer than `FLUSH_S`."""
    for handler in _queueing_handlers():
        handler.flush()


def _queueing_handlers() -> list[QueueingHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, QueueingHandler)]
