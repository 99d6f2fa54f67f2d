"""Progress of a backfill: a bar on a terminal, otherwise a line every 30 seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from indexer.cli.console import ERRORS, tell

if TYPE_CHECKING:
    from types import TracebackType

    from indexer.ledger import Ledger
    from indexer.model import BackfillRun
    from indexer.model.ledger import BackfillProgress

LINE_EVERY_S = 30.0


class Display:
    """Shows the progress of one run, whichever process drains it."""

    def __init__(self, ledger: Ledger, run: BackfillRun) -> None:
        self._ledger = ledger
        self._run = run
        self._began = self._line_at = time.monotonic()
        self._first = ledger.backfill_progress(run).remaining
        self._bar = Progress(
            TextColumn("backfill"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("studies  {task.fields[facts]}"),
            TimeRemainingColumn(),
            console=ERRORS,
            disable=not ERRORS.is_terminal,
        )
        self._task = self._bar.add_task("backfill", facts="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.show()
        self._bar.stop()

    def show(self) -> None:
        """Update the display."""
        now = time.monotonic()
        if not ERRORS.is_terminal and now < self._line_at:
            return
        self._line_at = now + LINE_EVERY_S
        progress = self._ledger.backfill_progress(self._run)
        facts = self._facts(progress, now)
        done = progress.marked - progress.remaining
        self._bar.update(self._task, completed=done, total=progress.marked, facts=facts)
        if not ERRORS.is_terminal:
            tell(f"backfill: {done} of {progress.marked} studies, {facts}")

    def _facts(self, progress: BackfillProgress, now: float) -> str:
        rate = (self._first - progress.remaining) / max(now - self._began, 1e-3)
        left = f", {progress.remaining / rate:.0f} s left" if rate > 0 and not ERRORS.is_terminal else ""
        return f"{progress.instances} instances, {rate:.1f} studies/s, {progress.quarantined} in quarantine{left}"
