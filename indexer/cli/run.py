"""``run``: the daemon."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from indexer.cli.signals import stop_on_signal
from indexer.service import Follower, Service

if TYPE_CHECKING:
    from indexer.cli.compose import Site


def run(site: Site) -> None:
    """Follow and publish until a signal comes."""
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
