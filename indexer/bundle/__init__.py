"""Many writes in one Bundle: building it, sizing it, judging its answer. Pure: no I/O, no clock, no logging."""

from __future__ import annotations

from indexer.bundle.binding import bind, bound
from indexer.bundle.entry import Bundle, BundleType, Entry, build, halves, waves
from indexer.bundle.outcome import mask, strip
from indexer.bundle.sizing import Limits, Sizer, TypePolicy
from indexer.bundle.verdict import EntryStatus, Verdict, is_throttled, judge

__all__ = [
    "Bundle",
    "BundleType",
    "Entry",
    "EntryStatus",
    "Limits",
    "Sizer",
    "TypePolicy",
    "Verdict",
    "bind",
    "bound",
    "build",
    "halves",
    "is_throttled",
    "judge",
    "mask",
    "strip",
    "waves",
]
