"""``backfill``: publishes every study that is already in the sources."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from indexer.cli.console import OUTPUT
from indexer.cli.progress import Display
from indexer.cli.signals import stop_on_signal
from indexer.errors import LedgerBusy, UsageError
from indexer.sync.changes.backfill import Backfill, Seen, Selection
from indexer.thread_group import ThreadGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.cli.compose import Site
    from indexer.model import BackfillRun

WATCH_S = 0.5

STOP_S = 8.0

PATIENCE_S = 30.0
"""If everything that is left is deferred for longer than this, it is left to the daemon or to the next call."""


def selected(
    site: Site,
    since: str | None,
    until: str | None,
    modalities: Sequence[str],
    study_instance_uids: Sequence[str],
    *,
    force: bool,
) -> Selection:
    """What the options ask for; raises `UsageError` for a wrong date."""
    return Selection(
        sources=tuple(source.name for source in site.config.sources),
        since=_date(since, "--since"),
        until=_date(until, "--until"),
        modalities=tuple(sorted({modality.upper() for modality in modalities})),
        study_instance_uids=tuple(sorted(set(study_instance_uids))),
        force=force,
    )


def backfill(site: Site, selection: Selection, rate: float | None) -> int:
    """Mark, then drain or watch until all is settled; returns the exit code."""
    stop_on_signal(site.stop)
    return _Run(site, selection).carry_out(rate)


class _Run:
    """One call of the command."""

    def __init__(self, site: Site, selection: Selection) -> None:
        self.site = site
        self.selection = selection
        self.stop = site.stop
        self.seen = Seen()

    def carry_out(self, rate: float | None) -> int:
        run = self._begun(rate)
        marking = Backfill(
            ledger=self.site.ledger,
            sources=list(self.site.sources.values()),
            feeds=self.site.feeds,
            selection=self.selection,
            clock=time.time,
            is_stopped=self.stop.is_set,
        )
        run = marking.mark(run, self.seen)
        with Display(self.site.ledger, run) as display:
            self._drained(run, display)
        return self._report(run)

    def _begun(self, rate: float | None) -> BackfillRun:
        """The run of an earlier call, if it is not finished; otherwise a new one."""
        ledger = self.site.ledger
        run = ledger.backfill_begin(self.selection.digest, time.time(), rate)
        if not run.is_marked or ledger.backfill_progress(run).remaining:
            return run
        ledger.backfill_finish(run, time.time())
        return ledger.backfill_begin(self.selection.digest, time.time(), rate)

    def _drained(self, run: BackfillRun, display: Display) -> None:
        """Drain, unless another process does; then show its progress."""
        while not self.stop.is_set() and not self._is_over(run):
            try:
                with self.site.ledger.drain_lock():
                    self._drain(run, display)
            except LedgerBusy:
                display.show()
                self.stop.wait(WATCH_S)

    def _drain(self, run: BackfillRun, display: Display) -> None:
        self.site.ledger.wait_out(self.stop)
        threads = ThreadGroup(self.stop)
        threads.start(lambda: self.site.drain().run(lambda: self._is_over(run)))
        while threads.is_alive and not self.stop.is_set():
            display.show()
            threads.wait(WATCH_S)
        threads.join(STOP_S)

    def _is_over(self, run: BackfillRun) -> bool:
        if self.site.ledger.backfill_progress(run).remaining == 0:
            return True
        dues = [self.site.ledger.next_due(time.time(), source=name) for name in self.selection.sources]
        due_s = min((due_s for due_s in dues if due_s is not None), default=0.0)
        return due_s > PATIENCE_S

    def _report(self, run: BackfillRun) -> int:
        """Print how it ended; returns the exit code."""
        progress = self.site.ledger.backfill_progress(run)
        done = progress.marked - progress.remaining - progress.quarantined
        OUTPUT.print(f"{done} studies ({progress.instances} instances) settled of {progress.marked}.")
        if self.seen.undated:
            OUTPUT.print(f"{self.seen.undated} studies have no StudyDate and were left out by --since/--until.")
        if not run.is_marked:
            OUTPUT.print("Not every study is marked yet. Run the command again to continue.")
            return 75
        if progress.remaining:
            OUTPUT.print(f"{progress.remaining} studies are still dirty; 'status' says why. Run it again to continue.")
            return 75
        self.site.ledger.backfill_finish(run, time.time())
        missing = self._missing()
        if missing:
            OUTPUT.print(f"{len(missing)} of the named studies are in no source: {', '.join(missing)}")
        if progress.quarantined:
            self._list_quarantine(progress.quarantined, run)
        return 1 if missing or progress.quarantined else 0

    def _missing(self) -> list[str]:
        """Named studies that no source has, once all is marked and settled."""
        known = self.site.ledger.study_locations(self.selection.study_instance_uids)
        return [uid for uid, locations in known.items() if not locations]

    def _list_quarantine(self, count: int, run: BackfillRun) -> None:
        OUTPUT.print(f"{count} studies are in quarantine:")
        for row in self.site.ledger.quarantine():
            if row.since >= run.started_at:
                OUTPUT.print(f"  {row.study_instance_uid}  {row.cause}: {row.text}")


def _date(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text.replace("-", ""), "%Y%m%d").strftime("%Y%m%d")  # noqa: DTZ007 - a date has no zone
    except ValueError:
        raise UsageError(f"{option} expects a date such as 2024-01-31") from None
