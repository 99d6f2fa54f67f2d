"""Mark every study of the sources that a filter lets through; draining is the drain's business."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import orjson

from indexer.model import Attributes, FeedPosition, Lane, Mark
from indexer.sync.changes.poll import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from indexer.model import BackfillRun, StudyLocation
    from indexer.sync.protocols import ChangeFeed, Ledger, StudySource


OVERLAP = 1000
"""Rows before the newest that are read again, for some may be committed late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which studies a backfill is about.

    Attributes
    ----------
    since, until
        First and last StudyDate, ``YYYYMMDD``; a study without one is left out and counted.
    modalities
        Studies with a series of one of these; empty for all.
    study_instance_uids
        Only these; empty for all.
    force
        Send even what is unchanged.
    """

    sources: tuple[str, ...]
    since: str | None = None
    until: str | None = None
    modalities: tuple[str, ...] = ()
    study_instance_uids: tuple[str, ...] = ()
    force: bool = False

    @property
    def digest(self) -> str:
        """Names the selection, so that only a like call resumes its run."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def has_dates(self) -> bool:
        return self.since is not None or self.until is not None


@dataclass(slots=True)
class Seen:
    """What a selection met: studies that were left out for want of a StudyDate."""

    undated: int = 0


def select(
    feed: ChangeFeed, source: StudySource, selection: Selection, seen: Seen, *, after: str = ""
) -> Iterator[tuple[str, tuple[StudyLocation, ...]]]:
    """Chosen studies of one source, chunk by chunk in the order of Orthanc ids, each chunk with its last id.

    Parameters
    ----------
    seen
        Counts up as chunks are made.
    after
        Orthanc id to begin after, from an earlier run that was cut short.
    """
    location_ids = [one for one in _listed(source, selection) if one > after]
    for start in range(0, len(location_ids), CHUNK):
        chunk = location_ids[start : start + CHUNK]
        locations = tuple(sorted(feed.locate(chunk), key=lambda location: location.location_id))
        yield chunk[-1], _chosen(source, locations, selection, seen)


def _listed(source: StudySource, selection: Selection) -> list[str]:
    """Sorted ids to look at; for a few studies that are named the whole archive is not gone through."""
    if not selection.study_instance_uids:
        return source.list_ids()
    found = (location for uid in selection.study_instance_uids for location in source.find(uid))
    return sorted({location.location_id for location in found})


def _chosen(
    source: StudySource, locations: tuple[StudyLocation, ...], selection: Selection, seen: Seen
) -> tuple[StudyLocation, ...]:
    if selection.has_dates and locations:
        attributes = source.study_attributes([location.location_id for location in locations])
        seen.undated += sum(1 for location in locations if _date(attributes, location) is None)
        locations = tuple(location for location in locations if _is_within(_date(attributes, location), selection))
    if selection.modalities and locations:
        found = source.modalities([location.location_id for location in locations])
        wanted = frozenset(selection.modalities)
        locations = tuple(location for location in locations if wanted & found.get(location.location_id, frozenset()))
    return locations


def _date(attributes: Mapping[str, Attributes], location: StudyLocation) -> str | None:
    held = attributes.get(location.location_id)
    text = held.text("StudyDate") if held else None
    digits = text.replace(".", "") if text else ""
    return digits if len(digits) == 8 and digits.isdigit() else None


def _is_within(date: str | None, selection: Selection) -> bool:
    return date is not None and (selection.since or "") <= date <= (selection.until or "99999999")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """Marks the selected studies of all sources for one run, resuming where an earlier one was killed.

    Attributes
    ----------
    is_stopped
        Whether a stop was asked for; the run is then given back as far as it came.
    """

    ledger: Ledger
    sources: Sequence[tuple[ChangeFeed, StudySource]]
    selection: Selection
    clock: Callable[[], float]
    is_stopped: Callable[[], bool] = field(default=lambda: False)

    def mark(self, run: BackfillRun, seen: Seen) -> BackfillRun:
        """Make the marks that are still missing."""
        if run.is_marked:
            return run
        name, _, after = run.cursor.partition("/")
        todo = [pair for pair in self.sources if pair[1].name in self.selection.sources]
        names = [source.name for _, source in todo]
        for feed, source in todo[names.index(name) if name in names else 0 :]:
            begins_after = after if source.name == name else ""
            start = None if begins_after else self._start(feed, source)
            for last, locations in select(feed, source, self.selection, seen, after=begins_after):
                run = self._mark(run, source, locations, last)
                if self.is_stopped():
                    return run
            if start is not None and self.ledger.position(source.name) is None:
                self.ledger.note(source.name, (), start, self.clock())
        return self.ledger.backfill_marked(run)

    def _mark(
        self, run: BackfillRun, source: StudySource, locations: Sequence[StudyLocation], last: str
    ) -> BackfillRun:
        marks = [
            Mark(location=location, reason="backfill", lane=Lane.BACKFILL, force=self.selection.force)
            for location in locations
        ]
        return self.ledger.backfill_mark(run, marks, f"{source.name}/{last}", self.clock())

    def _start(self, feed: ChangeFeed, source: StudySource) -> FeedPosition | None:
        """Where the daemon may follow from once all is marked, for a whole backfill covers what the feed says before.

        Not for a run that was cut short: what changed since its first marks stands in the feed alone.
        """
        is_whole = not (self.selection.has_dates or self.selection.modalities or self.selection.study_instance_uids)
        if not is_whole or self.ledger.position(source.name) is not None:
            return None
        return FeedPosition(low=max(0, feed.newest() - OVERLAP))
