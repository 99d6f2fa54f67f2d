"""``status``: the state of the servers, the feeds and the studies."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from indexer.cli.console import OUTPUT
from indexer.errors import PeerError
from indexer.schedule import epoch_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from indexer.cli.servers import Servers
    from indexer.model.ledger import HealthState


def status(servers: Servers, *, as_json: bool) -> int:
    """Print the state of the servers and of the ledger; returns the exit code."""
    is_drained = servers.ledger.drainer_alive()
    report: dict[str, Any] = {
        "target": _target(servers),
        "drainer": is_drained,
        "servers": [_health(state) for state in servers.ledger.health()] if is_drained else [],
        "sources": [_source(servers, name) for name in servers.sources],
    }
    if as_json:
        OUTPUT.print_document(report)
    else:
        _print(report)
    reachable = [report["target"]["reachable"], *(source["reachable"] for source in report["sources"])]
    return 0 if all(reachable) else 69


def _target(servers: Servers) -> dict[str, Any]:
    try:
        info = servers.target.info()
    except PeerError as error:
        return {"reachable": False, "problem": error.message}
    return {"reachable": True, "fhir_version": info.fhir_version, "software": info.software}


def _health(state: HealthState) -> dict[str, Any]:
    facts = asdict(state)
    for key in ("since", "next_try_at"):
        facts[key] = epoch_text(facts[key]) if facts[key] is not None else None
    return facts


def _source(servers: Servers, name: str) -> dict[str, Any]:
    source = servers.sources[name]
    facts = asdict(servers.ledger.summary(name, time.time()))
    for key in ("oldest_dirty_at", "last_poll_at", "last_write_at"):
        facts[key] = epoch_text(facts[key]) if facts[key] is not None else None
    try:
        return {**facts, "reachable": True, "version": source.ping(), "feed_end": _feed_end(servers, name)}
    except PeerError as error:
        return {**facts, "reachable": False, "problem": error.message}


def _feed_end(servers: Servers, name: str) -> int | None:
    feed = servers.feeds.get(name)
    return feed.end().reached if feed else None


def _print(report: dict[str, Any]) -> None:
    target = report["target"]
    OUTPUT.print(f"FHIR server: {_reachable(target)} {target.get('software', '')} {target.get('fhir_version') or ''}")
    OUTPUT.print(f"Draining: {'yes' if report['drainer'] else 'nobody, start the daemon or a backfill'}")
    for facts in report["servers"]:
        OUTPUT.print(f"  {facts['server']}: {_well(facts)}")
    table = Table("", *(facts["source"] for facts in report["sources"]), box=None, pad_edge=False)
    rows: dict[str, Callable[[dict[str, Any]], str]] = {
        "Orthanc": lambda facts: f"{_reachable(facts)} {facts.get('version', '')}",
        "feed position": _feed_position,
        "dirty": lambda facts: f"{facts['dirty']} ({facts['dirty_live']} live)",
        "waiting": lambda facts: ", ".join(f"{count} {cause}" for cause, count in facts["waiting"].items()) or "-",
        "oldest dirty": lambda facts: facts["oldest_dirty_at"] or "-",
        "published": lambda facts: str(facts["published"]),
        "patient mismatch": lambda facts: str(facts["patient_mismatch"]),
        "in quarantine": lambda facts: str(facts["quarantined"]),
        "last poll": lambda facts: facts["last_poll_at"] or "never",
        "last write": lambda facts: facts["last_write_at"] or "never",
    }
    for title, cell in rows.items():
        table.add_row(title, *(cell(facts) for facts in report["sources"]))
    OUTPUT.print(table)


def _feed_position(facts: dict[str, Any]) -> str:
    end = facts.get("feed_end", "?")
    if end is None:
        return "no feed"
    return f"{facts['feed_position'] if facts['feed_position'] is not None else 'never polled'} of {end}"


def _well(facts: dict[str, Any]) -> str:
    if facts["is_well"]:
        return "well"
    why = facts["cause"] + (f", status {facts['status']}" if facts["status"] is not None else "")
    return f"NOT well since {facts['since']} ({why}), tried again at {facts['next_try_at']}"


def _reachable(facts: dict[str, Any]) -> str:
    return "reachable" if facts["reachable"] else f"NOT reachable: {facts['problem']}"
