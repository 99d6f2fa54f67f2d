"""Poll a source's feed and note what changed: marks and position in one transaction per page."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer import schedule
from indexer.log import Event
from indexer.model import ChangePage, FeedPosition, Lane, Mark, StudyLocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from indexer.model import Change
    from indexer.sync.protocols import ChangeFeed, Ledger, StudySource

_log = logging.getLogger(__name__)

CHUNK = 500
"""Studies that are located or marked in one go."""

CHECK_EVERY_S = 300.0
"""How often the anchors are compared although nothing looks wrong."""

KNOWN_STUDIES = 8
"""Studies that must all be gone before a feed that runs behind is called replaced."""


@dataclass(slots=True, kw_only=True)
class Poller:
    """Follows one source.

    Attributes
    ----------
    page
        Rows per request.
    hole_grace_s
        How long a missing Seq is waited for.
    starts_now
        Begin at the newest change instead of the first, when the source was never polled before.
    clock
        Epoch seconds.
    """

    feed: ChangeFeed
    source: StudySource
    ledger: Ledger
    rule: schedule.SettlingRule
    clock: Callable[[], float]
    page: int = 1000
    hole_grace_s: float = 60.0
    starts_now: bool = False
    _checked_at: float = field(default=float("-inf"))

    def poll(self) -> int:
        """Read the feed to its end and note it; how many rows were new.

        Raises
        ------
        PeerError, LedgerError
            Nothing of the page at hand is noted then, and the position stays.
        """
        position = self._position()
        asked_at = self.clock()
        first = self.feed.changes(position.low, self.page)
        if self._is_replaced(position, first):
            position = self._begin_epoch(position)
            asked_at = self.clock()
            first = self.feed.changes(position.low, self.page)
        count = 0
        for page in self._pages(first):
            position, fresh = self._note(position, page, asked_at)
            count += fresh
        self.ledger.record_poll(self.source.name, self.clock())
        return count

    def _position(self) -> FeedPosition:
        known = self.ledger.position(self.source.name)
        if known is not None:
            return known
        start = FeedPosition(low=self.feed.newest() if self.starts_now else 0)
        self.ledger.note(self.source.name, (), start, self.clock())
        return start

    def _pages(self, page: ChangePage) -> Iterator[ChangePage]:
        yield page
        while page.changes and not page.done:
            page = self.feed.changes(page.changes[-1].seq, self.page)
            yield page

    def _note(self, position: FeedPosition, page: ChangePage, asked_at: float) -> tuple[FeedPosition, int]:
        """Note one page. Holes were last looked at when the first page was asked for: their grace ends by that time."""
        changes = schedule.fresh(position, page)
        if not changes and not position.above:
            return position, 0
        server_time = self.feed.server_time()
        old = schedule.earlier(server_time, self.hole_grace_s + max(0.0, self.clock() - asked_at))
        moved = schedule.advance(position, changes, asked_at, grace_s=self.hole_grace_s, old=old)
        marks = self._marks(changes, server_time)
        if marks or moved != position:
            self.ledger.note(self.source.name, marks, moved, self.clock())
        if changes:
            seen = {"event": Event.PAGE_NOTED, "source": self.source.name, "count": len(changes)}
            _log.debug("page noted", extra=seen)
        return moved, len(changes)

    def _marks(self, changes: Sequence[Change], server_time: str) -> tuple[Mark, ...]:
        told = schedule.telling(changes)
        if not told:
            return ()
        locations = self.feed.locate(sorted({one.location_id for one in told}))
        is_history = told[-1].date < schedule.earlier(server_time, self.rule.max_wait_s)
        return schedule.marks(told, locations, self.rule, is_history=is_history)

    def _is_replaced(self, position: FeedPosition, first: ChangePage) -> bool:
        """Whether another database stands behind the source now.

        ``Last`` alone proves nothing: PostgreSQL lowers it without any reset. So a row that we know must have become
        another, or ``Last`` is behind, and either the newest row is younger than all that we saw in spite of its lower
        Seq, or every row and study that we know is gone.
        """
        is_behind = not first.changes and first.last < position.low
        if not is_behind and self.clock() < self._checked_at + CHECK_EVERY_S:
            return False
        self._checked_at = self.clock()
        if is_behind and self._ends_younger(position, first.last):
            return True
        for seq in sorted(position.anchors, reverse=True):
            row = self._row(seq)
            if row is not None:
                return schedule.anchor(row) != position.anchors[seq]
        return is_behind and not self._holds_known()

    def _ends_younger(self, position: FeedPosition, last: int) -> bool:
        """A database that was made anew of the same studies, or restored from a backup, and has grown since."""
        row = self._row(last)
        return row is not None and schedule.is_younger(row, position.anchors)

    def _row(self, seq: int) -> Change | None:
        row = next(iter(self.feed.changes(seq - 1, 1).changes), None)
        return row if row is not None and row.seq == seq else None

    def _holds_known(self) -> bool:
        known = self.ledger.locations(self.source.name, KNOWN_STUDIES)
        return any(self.source.holds(location.location_id) for location in known)

    def _begin_epoch(self, position: FeedPosition) -> FeedPosition:
        """Note every study again and read the new feed from its start; nothing is deleted."""
        begun = FeedPosition(epoch=position.epoch + 1)
        _log.warning(
            "the source's database was replaced: every study is noted again",
            extra={"event": Event.FEED_EPOCH, "source": self.source.name, "epoch": begun.epoch},
        )
        for locations in located(self.feed, self.source.list_ids()):
            self.ledger.mark(
                [Mark(location=location, reason="epoch", lane=Lane.BACKFILL) for location in locations], self.clock()
            )
        self.ledger.note(self.source.name, (), begun, self.clock())
        return begun


def located(feed: ChangeFeed, location_ids: Sequence[str], chunk: int = CHUNK) -> Iterator[tuple[StudyLocation, ...]]:
    """Copies of studies, chunk by chunk, in the order of the ids."""
    for start in range(0, len(location_ids), chunk):
        yield feed.locate(location_ids[start : start + chunk])
