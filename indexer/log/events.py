"""What records are about, and the facts that they may have."""

from __future__ import annotations

from enum import StrEnum


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
    LOG_DROPPED = "log_dropped"
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
