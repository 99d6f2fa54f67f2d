"""``backfill --dry-run``: prints what would be written for each study, and writes nothing to the FHIR server."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from indexer.batched import batched
from indexer.cli.console import OUTPUT
from indexer.model import Deferred, Dropped, Quarantined, ResourceKey
from indexer.plan import Verb, WritePlan
from indexer.sync.changes.backfill import Seen, known_locations, select
from indexer.sync.drain.study_reader import STUDIES_AT_ONCE

if TYPE_CHECKING:
    from indexer.cli.compose import Site
    from indexer.model import Settlement, StudyLocation
    from indexer.sync.changes.backfill import Selection


def preview(site: Site, selection: Selection) -> int:
    """Print a line per study that would be written and a count of each kind; returns the exit code."""
    counts: Counter[str] = Counter()
    seen = Seen()
    for batch in batched(_locations(site, selection, seen).items(), STUDIES_AT_ONCE):
        items = site.preview.preview([locations for _, locations in batch], force=selection.force)
        for (uid, _), item in zip(batch, items, strict=True):
            text = _text(item, ResourceKey("ImagingStudy", uid))
            counts[text] += 1
            if text != "unchanged":
                OUTPUT.print(f"{text}  {uid}")
    OUTPUT.print(", ".join(f"{count} {text}" for text, count in sorted(counts.items())) or "no studies")
    if seen.undated:
        OUTPUT.print(f"{seen.undated} studies have no StudyDate and were left out by --since/--until.")
    return 1 if any(text.startswith("quarantine") for text in counts) else 0


def _locations(site: Site, selection: Selection, seen: Seen) -> dict[str, tuple[StudyLocation, ...]]:
    """The locations of each selected study in all sources, by UID: a study is decided on once, wherever it stands."""
    by_uid: dict[str, tuple[StudyLocation, ...]] = {}
    known = known_locations(site.ledger, selection)
    for source in site.sources.values():
        for _, locations in select(source, selection, seen, known=known):
            for location in locations:
                by_uid[location.study_instance_uid] = (*by_uid.get(location.study_instance_uid, ()), location)
    return by_uid


def _text(item: WritePlan | Settlement, study: ResourceKey) -> str:
    match item:
        case WritePlan(actions=actions) if actions[study].verb is Verb.CREATE:
            return "create"
        case WritePlan(actions=actions) if any(action.is_due for action in actions.values()):
            return "update"
        case Quarantined(cause=cause):
            return f"quarantine ({cause})"
        case Deferred(cause=cause):
            return f"wait ({cause})"
        case Dropped():
            return "wait (vanished)"
        case _:
            return "unchanged"
