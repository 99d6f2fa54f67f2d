"""A proxy between a client and a real server that records every request and injects faults."""

from tests.proxy.faults import (
    Fault,
    cut,
    drop_reply,
    fewer_entries,
    hang,
    is_bundle,
    is_search,
    not_json,
    reads_studies,
    reset,
    slow_reply,
    spoil,
    status,
    writes_studies,
)
from tests.proxy.recording import Entry, Recorded
from tests.proxy.server import Proxy

__all__ = [
    "Entry",
    "Fault",
    "Proxy",
    "Recorded",
    "cut",
    "drop_reply",
    "fewer_entries",
    "hang",
    "is_bundle",
    "is_search",
    "not_json",
    "reads_studies",
    "reset",
    "slow_reply",
    "spoil",
    "status",
    "writes_studies",
]
