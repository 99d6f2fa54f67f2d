"""``backfill --dry-run``: what would be written, study by study, writing nothing to the FHIR server."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from indexer import mapping
from indexer.cli.options import OUTPUT
from indexer.errors import StudyError, StudyUnfit
from indexer.sync.backfill import Seen, select

if TYPE_CHECKING:
    from indexer.cli.compose import Site
    from indexer.model import Copy
    from indexer.sync.backfill import Selection


def preview(site: Site, selection: Selection) -> int:
    """Print a line per study that would be written and a count of each kind; the exit code."""
    site.ledger.open_target(site.target.base_url)
    counts: Counter[str] = Counter()
    seen = Seen()
    for source in site.sources.values():
        for _, copies in select(source, source, selection, seen):
            for copy in copies:
                word = _foretell(site, copy, selection)
                counts[word] += 1
                if word != "unchanged":
                    OUTPUT.print(f"{word}  {copy.study_instance_uid}", markup=False)
    OUTPUT.print(", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "no studies")
    if seen.undated:
        OUTPUT.print(f"{seen.undated} studies have no StudyDate and were left out by --since/--until.")
    return 1 if any(word.startswith("quarantine") for word in counts) else 0


def _foretell(site: Site, copy: Copy, selection: Selection) -> str:
    try:
        study, channel = site.reader.read((copy,))
        mapped = mapping.map_study(study, channel.rules, endpoint_ids=(channel.endpoint_id,))
    except StudyUnfit as error:
        return f"quarantine ({error.cause})"
    except StudyError as error:
        return f"wait ({error.cause})"
    known = site.ledger.published([copy.study_instance_uid]).get(copy.study_instance_uid)
    if known is None:
        return "create"
    is_same = known.fingerprint == mapping.fingerprint(mapped.imaging_study)
    return "unchanged" if is_same and not selection.force else "update"
