"""Poll a source's feed and note what changed: marks and position in one transaction per page."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer import schedule
from indexer.batched import batched
from indexer.log import Event
from indexer.model import FeedPosition, Lane, Mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from indexer.ledger import Ledger
    from indexer.model import FeedPage
    from indexer.sync.protocols import ChangeFeed, StudySource

_log = logging.getLogger(__name__)

CHUNK = 500
"""Studies that are marked in one transaction."""

KNOWN_STUDIES = 8
"""Studies that must all be gone before a database counts as replaced, if the feed itself does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    """Follows one source.

    Attributes
    ----------
    starts_now
        Start at the newest change instead of the first if the source was never polled before.
    """

    feed: ChangeFeed
    source: StudySource
    ledger: Ledger
    rule: schedule.SettlingRule
    clock: Callable[[], float]
    starts_now: bool = False

    def poll(self) -> int:
        """Read the feed to its end and note it; returns how many changes were new.

        If it raises, nothing of the current page is noted, and the position stays.
        """
        position = self._position()
        count = 0
        for page in self.feed.pages(position, self._holds_known):
            self._note(position, page)
            position = page.position
            count += page.count
        self.ledger.record_poll(self.source.name, self.clock())
        return count

    def _position(self) -> FeedPosition:
        known = self.ledger.position(self.source.name)
        if known is not None:
            return known
        start = self.feed.end() if self.starts_now else FeedPosition()
        self.ledger.note(self.source.name, (), start, self.clock())
        return start

    def _note(self, position: FeedPosition, page: FeedPage) -> None:
        if page.position.epoch != position.epoch:
            self._mark_all(page.position.epoch)
        marks = schedule.marks(page, self.rule)
        if marks or page.position != position:
            self.ledger.note(self.source.name, marks, page.position, self.clock())
        if page.count:
            facts = {"event": Event.PAGE_NOTED, "source": self.source.name, "count": page.count}
            _log.debug("page noted", extra=facts)

    def _holds_known(self) -> bool:
        known = self.ledger.locations(self.source.name, KNOWN_STUDIES)
        return any(self.source.holds(location.location_id) for location in known)

    def _mark_all(self, epoch: int) -> None:
        """Mark every study of a database that was replaced; nothing is deleted."""
        _log.warning(
            "the source's database was replaced; every study is marked again",
            extra={"event": Event.FEED_EPOCH, "source": self.source.name, "epoch": epoch},
        )
        for locations in batched(self.source.list_locations(), CHUNK):
            marks = [Mark(location=location, reason="epoch", lane=Lane.BACKFILL) for location in locations]
            self.ledger.mark(marks, self.clock())
