"""Frozen values that every layer shares; no behaviour beyond reading themselves."""

from __future__ import annotations

from indexer.model.attributes import Attributes, PersonName
from indexer.model.feed import FeedPage, FeedPosition
from indexer.model.study import Instance, Series, Study, StudyLocation, is_uid_like
from indexer.model.target import EntryResult, Fetched, Lookup, ResourceKey, TargetInfo, literal_references, successor
from indexer.model.work import (
    BackfillRun,
    Deferred,
    Dropped,
    EndpointState,
    Lane,
    Mark,
    Patient,
    Published,
    Quarantined,
    Settled,
    Settlement,
    Task,
    Written,
)

__all__ = [
    "Attributes",
    "BackfillRun",
    "Deferred",
    "Dropped",
    "EndpointState",
    "EntryResult",
    "FeedPage",
    "FeedPosition",
    "Fetched",
    "Instance",
    "Lane",
    "Lookup",
    "Mark",
    "Patient",
    "PersonName",
    "Published",
    "Quarantined",
    "ResourceKey",
    "Series",
    "Settled",
    "Settlement",
    "Study",
    "StudyLocation",
    "TargetInfo",
    "Task",
    "Written",
    "is_uid_like",
    "literal_references",
    "successor",
]
