"""``run``: the daemon."""

from __future__ import annotations

import threading

from indexer.cli.compose import Site
from indexer.cli.options import of_site
from indexer.cli.signals import stop_on_signal
from indexer.service import Follower, Service


@of_site
def run(
    site: Site,
) -> None:
    """Follow the sources and publish what changes, until SIGTERM or SIGINT.

    The first signal ends it within 10 seconds, the second at once; nothing is lost either way.
    """
    stop = threading.Event()
    stop_on_signal(stop)
    site.ledger.wait_out(stop)
    followers = [
        Follower(
            poller=site.poller(source.name),
            patience=site.patience(f"orthanc {source.name}", stop),
            interval_s=source.feed.interval_s,
        )
        for source in site.config.sources
    ]
    Service(followers=followers, drain_lock=site.ledger.drain_lock, drain=site.drain, stop=stop).run()
