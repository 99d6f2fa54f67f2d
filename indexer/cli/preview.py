"""``backfill --dry-run``: what would be written, study by study, writing nothing to the FHIR server."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from indexer.cli.options import OUTPUT
from indexer.model import Deferred, Dropped, Quarantined, Task
from indexer.sync.changes.backfill import Seen, select
from indexer.sync.drain.prepared import Prepared

if TYPE_CHECKING:
    from indexer.cli.compose import Site
    from indexer.model import StudyLocation
    from indexer.sync.changes.backfill import Selection


def preview(site: Site, selection: Selection) -> int:
    """Print a line per study that would be written and a count of each kind; the exit code."""
    site.ledger.open_target(site.target.base_url)
    counts: Counter[str] = Counter()
    seen = Seen()
    for source in site.sources.values():
        for _, locations in select(source, selection, seen):
            for location in locations:
                word = _foretell(site, location, selection)
                counts[word] += 1
                if word != "unchanged":
                    OUTPUT.print(f"{word}  {location.study_instance_uid}", markup=False)
    OUTPUT.print(", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "no studies")
    if seen.undated:
        OUTPUT.print(f"{seen.undated} studies have no StudyDate and were left out by --since/--until.")
    return 1 if any(word.startswith("quarantine") for word in counts) else 0


def _foretell(site: Site, location: StudyLocation, selection: Selection) -> str:
    match site.preview.preview((location,), force=selection.force):
        case Prepared(task=Task(published=None)):
            return "create"
        case Prepared(is_changed=is_changed, is_patient_due=is_patient_due) if is_changed or is_patient_due:
            return "update"
        case Quarantined(cause=cause):
            return f"quarantine ({cause})"
        case Deferred(cause=cause):
            return f"wait ({cause})"
        case Dropped():
            return "wait (vanished)"
        case _:
            return "unchanged"
