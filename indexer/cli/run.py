"""``run``: the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.cli.signals import stop_on_signal
from indexer.service import Follower, Service

if TYPE_CHECKING:
    from indexer.cli.compose import Site


def run(site: Site) -> None:
    """Follow the sources and publish until a signal comes."""
    stop_on_signal(site.stop)
    ledger = site.ledger
    ledger.wait_out(site.stop)
    followers = [
        Follower(
            poller=site.poller(source.name),
            health=site.health[f"orthanc {source.name}"],
            interval_s=source.feed.interval_s,
        )
        for source in site.config.sources
        if source.name in site.feeds
    ]
    Service(
        followers=followers,
        drain_lock=ledger.drain_lock,
        drain=site.drain,
        confirm_ledger=ledger.confirm,
        stop=site.stop,
    ).run()
