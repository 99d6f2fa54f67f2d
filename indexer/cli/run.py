"""``run``: the daemon."""

from __future__ import annotations

import threading

from indexer.cli.options import ConfigOption, FhirOption, LedgerOption, OrthancOption, open_site
from indexer.cli.signals import stop_on_signal
from indexer.service import Follower, Service


def run(
    config: ConfigOption = None,
    orthanc: OrthancOption = None,
    fhir: FhirOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Follow the sources and publish what changes, until SIGTERM or SIGINT.

    The first signal ends it within 10 seconds, the second at once; nothing is lost either way.
    """
    stop = threading.Event()
    stop_on_signal(stop)
    site = open_site(config, orthanc, fhir, ledger)
    followers = [
        Follower(
            poller=site.poller(source.name),
            patience=site.patience(f"orthanc {source.name}", stop),
            interval_s=source.feed.interval_s,
        )
        for source in site.config.sources
    ]
    Service(followers=followers, drain_lock=site.ledger.drain_lock, drain=site.drain, stop=stop).run()
