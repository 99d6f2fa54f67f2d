"""Logging without patient data: JSON lines or text on stderr.

A message is a short fixed sentence. Facts are in ``extra``: ``event`` (one of `Event`) and keys of `ALLOWED`;
`PhiGuard` drops anything else. Arguments are never formatted into a message, and texts of foreign exceptions are never
written: both could contain patient data. A record of a foreign library shows where it comes from, not what it says.
"""

from __future__ import annotations

from indexer.log.events import ALLOWED, Event
from indexer.log.handlers import configure, flush, tell
from indexer.log.privacy import PhiGuard, scrubbed, study_key

__all__ = ["ALLOWED", "Event", "PhiGuard", "configure", "flush", "scrubbed", "study_key", "tell"]
