"""Mark every selected study of the sources; the drain does the rest."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import orjson

from indexer.batched import batched
from indexer.model import Attributes, FeedPosition, Lane, Mark
from indexer.sync.changes.poll import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from indexer.ledger import Ledger
    from indexer.model import BackfillRun, StudyLocation
    from indexer.sync.protocols import ChangeFeed, StudySource


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which studies a backfill marks.

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
        """Identifies the selection, so that only a call with the same one resumes its run."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def has_dates(self) -> bool:
        return self.since is not None or self.until is not None


@dataclass(slots=True)
class Seen:
    """Counts the studies that a selection left out because they have no StudyDate."""

    undated: int = 0


def known_locations(ledger: Ledger, selection: Selection) -> tuple[StudyLocation, ...]:
    """Where the ledger has the named studies of a selection."""
    by_uid = ledger.study_locations(selection.study_instance_uids)
    return tuple(location for locations in by_uid.values() for location in locations)


def select(
    source: StudySource, selection: Selection, seen: Seen, *, known: Collection[StudyLocation] = (), after: str = ""
) -> Iterator[tuple[str, tuple[StudyLocation, ...]]]:
    """Selected studies of one source, chunk by chunk in the order of location ids, each chunk with its last id.

    Parameters
    ----------
    known
        Where the ledger has the named studies: a source that does not find one may be wrong, and reading it decides.
    after
        Location id to start after, from an earlier run that was cut short.
    """
    for chunk in batched(_listed(source, selection, known, after), CHUNK):
        yield chunk[-1].location_id, _chosen(source, chunk, selection, seen)


def _listed(
    source: StudySource, selection: Selection, known: Collection[StudyLocation], after: str
) -> Iterable[StudyLocation]:
    """Studies to filter; named ones are found without listing the whole archive."""
    if not selection.study_instance_uids:
        return source.list_locations(after)
    locations = {location for uid in selection.study_instance_uids for location in source.find(uid)}
    locations.update(location for location in known if location.source == source.name)
    return sorted(location for location in locations if location.location_id > after)


def _chosen(
    source: StudySource, locations: tuple[StudyLocation, ...], selection: Selection, seen: Seen
) -> tuple[StudyLocation, ...]:
    if selection.has_dates and locations:
        attributes = source.study_attributes([location.location_id for location in locations])
        seen.undated += sum(1 for location in locations if _date(attributes, location) is None)
        locations = tuple(location for location in locations if _is_within(_date(attributes, location), selection))
    if selection.modalities and locations:
        of_studies = source.modalities([location.location_id for location in locations])
        locations = tuple(
            location
            for location in locations
            if not of_studies.get(location.location_id, frozenset()).isdisjoint(selection.modalities)
        )
    return locations


def _date(attributes: Mapping[str, Attributes], location: StudyLocation) -> str | None:
    of_study = attributes.get(location.location_id)
    text = of_study.text("StudyDate") if of_study else None
    digits = text.replace(".", "") if text else ""
    return digits if len(digits) == 8 and digits.isdigit() else None


def _is_within(date: str | None, selection: Selection) -> bool:
    return date is not None and (selection.since or "") <= date <= (selection.until or "99999999")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """Marks the selected studies of all sources for one run, and resumes where an earlier call was killed.

    Attributes
    ----------
    feeds
        By the name of their source, for the sources that have one.
    is_stopped
        Whether a stop was asked for; the marks made so far stay.
    """

    ledger: Ledger
    sources: Sequence[StudySource]
    feeds: Mapping[str, ChangeFeed]
    selection: Selection
    clock: Callable[[], float]
    is_stopped: Callable[[], bool] = field(default=lambda: False)

    def mark(self, run: BackfillRun, seen: Seen) -> BackfillRun:
        """Mark the studies that the run has not marked yet."""
        if run.is_marked:
            return run
        name, _, after = run.cursor.partition("/")
        todo = [source for source in self.sources if source.name in self.selection.sources]
        names = [source.name for source in todo]
        known = known_locations(self.ledger, self.selection)
        for source in todo[names.index(name) if name in names else 0 :]:
            begins_after = after if source.name == name else ""
            start = run.feed_position if begins_after else self._start(source.name)
            for last, locations in select(source, self.selection, seen, known=known, after=begins_after):
                run = self._mark(run, source, locations, last, start)
                if self.is_stopped():
                    return run
            if start and self.ledger.position(source.name) is None:
                self.ledger.note(source.name, (), FeedPosition.parse(start), self.clock())
        return self.ledger.backfill_marked(run)

    def _mark(
        self, run: BackfillRun, source: StudySource, locations: Sequence[StudyLocation], last: str, start: str
    ) -> BackfillRun:
        marks = [
            Mark(location=location, reason="backfill", lane=Lane.BACKFILL, force=self.selection.force)
            for location in locations
        ]
        return self.ledger.backfill_mark(run, marks, f"{source.name}/{last}", self.clock(), feed_position=start)

    def _start(self, name: str) -> str:
        """Position from which the daemon may follow once all is marked: a whole backfill covers what came before.

        A run that resumes keeps the position of its first call, because what changed since then is in the feed alone.
        Empty for a part of the archive, and where the feed has been followed already.
        """
        is_whole = not (self.selection.has_dates or self.selection.modalities or self.selection.study_instance_uids)
        if not is_whole or name not in self.feeds or self.ledger.position(name) is not None:
            return ""
        return self.feeds[name].end(has_overlap=True).text
