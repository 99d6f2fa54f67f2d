"""Orthanc's list of changes as a feed; how it behaves is written up in ``docs/feed.md``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from indexer.model import FeedPage, FeedPosition
from indexer.orthanc import position as seqs
from indexer.orthanc.position import SeqPosition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from indexer.orthanc.position import Change, ChangePage
    from indexer.orthanc.source import OrthancSource

CHECK_EVERY_S = 300.0
"""How often the anchors are compared although nothing looks wrong."""

OVERLAP = 1000
"""Rows before the newest among which some may still be missing, because they are committed late."""


class OrthancFeed:
    """`ChangeFeed` of one Orthanc.

    Parameters
    ----------
    page_size
        Rows per request.
    hole_grace_s
        How long a missing Seq is waited for.
    clock
        Epoch seconds.
    """

    def __init__(
        self,
        source: OrthancSource,
        *,
        page_size: int = 1000,
        hole_grace_s: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._page_size = page_size
        self._hole_grace_s = hole_grace_s
        self._clock = clock
        self._checked_at = float("-inf")

    def end(self, *, has_overlap: bool = False) -> FeedPosition:
        newest = self._source.newest_seq()
        if not has_overlap:
            return _position(SeqPosition(low=newest), epoch=1)
        asked_at, known = self._clock(), SeqPosition(low=max(0, newest - OVERLAP))
        page = self._source.changes(known.low, self._page_size)
        while page.changes:
            known = self._moved(known, seqs.fresh(known, page), asked_at, self._source.server_time())
            page = self._source.changes(page.changes[-1].seq, self._page_size)
        return _position(known, epoch=1)

    def pages(self, position: FeedPosition, holds_known: Callable[[], bool]) -> Iterator[FeedPage]:
        asked_at = self._clock()
        known = SeqPosition.parse(position.cursor)
        page = self._source.changes(known.low, self._page_size)
        if self._is_replaced(known, page, holds_known):
            position = _position(SeqPosition(), epoch=position.epoch + 1)
            asked_at = self._clock()
            page = self._source.changes(0, self._page_size)
        while True:
            told = self._page(position, page, asked_at)
            yield told
            if page.done or not page.changes:
                return
            position = told.position
            page = self._source.changes(page.changes[-1].seq, self._page_size)

    def _page(self, position: FeedPosition, page: ChangePage, asked_at: float) -> FeedPage:
        """Read one page. Holes were last looked at when the first page was asked for: their grace ends by that time."""
        known = SeqPosition.parse(position.cursor)
        changes = seqs.fresh(known, page)
        if not changes and not known.above:
            return FeedPage(position=position)
        server_time = self._source.server_time()
        moved = self._moved(known, changes, asked_at, server_time)
        told = seqs.telling(changes)
        return FeedPage(
            position=_position(moved, position.epoch),
            locations=self._source.locate({row.orthanc_id: row.level for row in told if row.level}) if told else (),
            quiet=frozenset(row.orthanc_id for row in told if row.change_type == "StableStudy"),
            age_s=(seqs.moment(server_time) - seqs.moment(told[-1].date)).total_seconds() if told else 0.0,
            count=len(changes),
        )

    def _moved(self, known: SeqPosition, changes: Sequence[Change], asked_at: float, server_time: str) -> SeqPosition:
        old = seqs.earlier(server_time, self._hole_grace_s + max(0.0, self._clock() - asked_at))
        return seqs.advance(known, changes, asked_at, grace_s=self._hole_grace_s, old=old)

    def _is_replaced(self, known: SeqPosition, first: ChangePage, holds_known: Callable[[], bool]) -> bool:
        """Whether another database stands behind the source now.

        ``Last`` alone proves nothing: PostgreSQL lowers it without any reset. So a row that we know must have become
        another, or ``Last`` is behind, and either the newest row is younger than all that we saw in spite of its lower
        Seq, or every row and study that we know is gone.
        """
        is_behind = not first.changes and first.last < known.low
        if not is_behind and self._clock() < self._checked_at + CHECK_EVERY_S:
            return False
        self._checked_at = self._clock()
        if is_behind and self._ends_younger(known, first.last):
            return True
        for seq in sorted(known.anchors, reverse=True):
            row = self._row(seq)
            if row is not None:
                return row.anchor != known.anchors[seq]
        return is_behind and not holds_known()

    def _ends_younger(self, known: SeqPosition, last: int) -> bool:
        """A database that was made anew of the same studies, or restored from a backup, and has grown since."""
        row = self._row(last)
        return row is not None and seqs.is_younger(row, known.anchors)

    def _row(self, seq: int) -> Change | None:
        row = next(iter(self._source.changes(seq - 1, 1).changes), None)
        return row if row is not None and row.seq == seq else None


def _position(known: SeqPosition, epoch: int) -> FeedPosition:
    return FeedPosition(cursor=known.cursor, reached=known.low, epoch=epoch)
