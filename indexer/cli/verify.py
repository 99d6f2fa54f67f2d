"""``verify``: compares whole sources with the FHIR server."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from indexer.cli.console import OUTPUT
from indexer.sync.verify import Verifier

if TYPE_CHECKING:
    from indexer.cli.compose import Site
    from indexer.sync.verify import Report


TRIES = 8
"""Failures of a server in a row that end the comparison; it survives an outage of about a minute."""


def verify(site: Site, *, as_json: bool) -> int:
    """Print how the FHIR server differs from the sources; returns the exit code."""
    verifier = Verifier(
        ledger=site.ledger,
        target=site.target,
        studies=replace(site.reader.studies, tries=TRIES),
        ids=replace(site.ids, tries=TRIES),
        endpoints=site.endpoints,
        health=site.health["fhir"],
        tries=TRIES,
        threads=max(source.readers for source in site.config.sources),
    )
    report = verifier.verify()
    if as_json:
        OUTPUT.print_document({"equal": report.is_equal, **asdict(report)})
    else:
        _print(report)
    return 0 if report.is_equal else 1


def _print(report: Report) -> None:
    OUTPUT.print(f"Compared {report.studies} studies, {report.series} series, {report.instances} instances.")
    for finding in report.findings:
        OUTPUT.print(f"DIFFERENT {finding.study_instance_uid}: {'; '.join(finding.differences[:10])}")
    for word, uids in (("in quarantine", report.quarantined), ("not yet settled", report.unsettled)):
        if uids:
            OUTPUT.print(f"{len(uids)} {word}: {', '.join(uids[:20])}{' …' if len(uids) > 20 else ''}")
    for note in report.notes:
        OUTPUT.print(f"Note: {note}")
    OUTPUT.print("Equal." if report.is_equal else f"{len(report.findings)} differ.")
