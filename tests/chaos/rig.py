"""A site whose servers survive a kill, and the frame of a report."""

import contextlib
import os
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.converge import Outcome
from tests.servers.hapi import Hapi, Release
from tests.servers.orthanc import Orthanc
from tests.site import Site


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A real Orthanc, a real HAPI that keeps its data on disk, and a folder for the program."""

    home: Path
    orthanc: Orthanc
    hapi: Hapi

    def site(self, *, orthanc_url: str = "", fhir: str = "") -> Site:
        """The installation between the two, or between other addresses of theirs."""
        return Site(
            home=self.home,
            orthanc=self.orthanc,
            orthanc_url=orthanc_url,
            fhir=fhir or self.hapi.url,
            top={"log": {"format": "json", "level": "info"}},
        )


@contextlib.contextmanager
def rig(orthanc_version: str, release: Release) -> Iterator[Rig]:
    """Start the servers, and stop them in the end."""
    extra = {"OverwriteInstances": True}
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as home,
        Orthanc(orthanc_version, extra=extra) as orthanc,
        Hapi(release, is_durable=True) as hapi,
    ):
        yield Rig(home=Path(home), orthanc=orthanc, hapi=hapi)


def go_on(seconds: float, stop: threading.Event, loops: Sequence[Callable[[], None]]) -> None:
    """Run the loops for some time, or until one of them fails."""
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(len(loops)) as pool:
        running = [pool.submit(loop) for loop in loops]
        while time.monotonic() < end and not any(loop.done() for loop in running):
            time.sleep(1)
        stop.set()
    for loop in running:
        loop.result()


def heading(title: str, command: str) -> str:
    """How and where it was measured."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True)
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    return f"# {title}\n\n`{command}`, {when}, at {commit.stdout.strip()}, {machine}.\n"


def table(rows: Mapping[str, object]) -> str:
    """Facts as a table of two columns."""
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]) + "\n"


def counted(numbers: Mapping[str, int]) -> str:
    """Counts as one text, ``a 1, b 2``."""
    return ", ".join(f"{name} {count}" for name, count in sorted(numbers.items())) or "none"


def told(outcome: Outcome) -> dict[str, object]:
    """The result as rows."""
    return {
        "studies of the archive in the end, all compared": outcome.studies,
        "different until a backfill (the archive told nothing of a change)": len(outcome.silent),
        "lost or different": len(outcome.lost),
        "doubled": len(outcome.doubled),
        "in quarantine": outcome.quarantined,
        "deleted in the archive, still in the index (not taken back yet)": outcome.deleted,
        "time until nothing was under way": f"{outcome.settled_s:.0f} s",
    }
