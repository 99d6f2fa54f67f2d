"""Count and log how studies end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.log import Event, study_key
from indexer.model import Deferred, Dropped, Published, Quarantined, Settled

if TYPE_CHECKING:
    from indexer.model import Settlement

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stats:
    """How the studies of a drain ended so far."""

    published: int = 0
    unchanged: int = 0
    deferred: int = 0
    quarantined: int = 0
    instances: int = 0

    def count(self, settlement: Settlement) -> None:
        """Add one settlement."""
        match settlement:
            case Settled(published=None):
                self.unchanged += 1
            case Settled(published=published) if published is not None:
                self.published += 1
                self.instances += published.number_of_instances
            case Deferred():
                self.deferred += 1
            case Quarantined():
                self.quarantined += 1


def log_settlement(settlement: Settlement, site_key: bytes) -> None:
    """Say how a study ended, without naming it."""
    key: dict[str, object] = {"study_key": study_key(site_key, settlement.task.study_instance_uid)}
    match settlement:
        case Settled(published=Published(patient_mismatch=True)):
            doubt: dict[str, object] = {"event": Event.PATIENT_MISMATCH}
            _log.warning("study published; its Patient seems to be another person", extra=key | doubt)
        case Settled(published=published) if published is not None:
            facts = {"event": Event.STUDY_PUBLISHED, "count": published.number_of_instances}
            _log.debug("study published", extra=key | facts)
        case Quarantined(cause=cause):
            _log.warning("study quarantined", extra=key | {"event": Event.STUDY_QUARANTINED, "cause": cause})
        case Deferred(cause=cause) if settlement.due_in_s > 0:
            _log.info("study waits", extra=key | {"event": Event.STUDY_WAITS, "cause": cause})
        case Deferred(cause=cause):
            _log.debug("study waits", extra=key | {"event": Event.STUDY_WAITS, "cause": cause})
        case Dropped():
            _log.info("study vanished", extra=key | {"event": Event.STUDY_VANISHED})
        case _:
            _log.debug("study unchanged", extra=key | {"event": Event.STUDY_UNCHANGED})
