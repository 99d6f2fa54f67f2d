"""What the program itself costs: a ``backfill`` between an archive and a FHIR server that cost nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from bench import null_fhir
from bench.null_archive import PER_SERIES, NullArchive, sizes
from bench.null_http import serving
from bench.rig import Stopwatch
from bench.start import BEFORE, HERE
from bench.throughput import DATABASE_ALONE, SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

STUDIES = round(2000 * SHARE)
GIANT = round(183_960 * SHARE)
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
_MIB = 1024 * 1024


def main() -> None:
    """Measure each variant in turn, then once more with a very large study among the others."""
    counts = sizes(STUDIES)
    print(f"machine: {psutil.cpu_count()} cores, Python {sys.version.split()[0]}, loopback")
    print(f"{len(counts)} studies, {sum(counts)} instances, the largest {max(counts)}, {PER_SERIES} in a series")
    checkouts = {"now": HERE} | ({"before": Path(BEFORE)} if BEFORE else {})
    for _ in range(ROUNDS):
        for label, checkout in checkouts.items():
            measure(f"{label}, as shipped", checkout, counts, {})
            measure(f"{label}, from the database alone", checkout, counts, DATABASE_ALONE)
    middle = len(counts) // 2
    for label, checkout in checkouts.items():
        measure(
            f"{label}, as shipped, with a study of {GIANT}", checkout, [*counts[:middle], GIANT, *counts[middle:]], {}
        )
    print("how: a new ledger for each; rusage of the whole command `backfill`; the servers are processes of their own")


def measure(title: str, checkout: Path, counts: Sequence[int], source: dict[str, Any]) -> None:
    """One ``backfill`` of one checkout."""
    with contextlib.ExitStack() as stack:
        orthanc, archive = stack.enter_context(serving("json", lambda: NullArchive(counts)))
        fhir, target = stack.enter_context(serving("fhir+json", lambda: null_fhir.answer))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        call = [checkout / ".venv/bin/python", "-m", "indexer", *command(home, orthanc, fhir, source)]
        begun = [sum(server.cpu_times()[:2]) for server in (archive, target)]
        with Stopwatch() as watch:
            process = subprocess.Popen(call, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            said = process.stdout.read() if process.stdout else ""
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or f"({sum(counts)} instances) settled of {len(counts)}" not in said:
            raise RuntimeError(f"backfill ended with {process.returncode}: {said}")
        servers = [
            sum(server.cpu_times()[:2]) - before for server, before in zip((archive, target), begun, strict=True)
        ]
    own_s = usage.ru_utime + usage.ru_stime
    print(
        f"{title}: {1e6 * own_s / sum(counts):.1f} µs an instance, {1e3 * own_s / len(counts):.1f} ms a study, "
        f"CPU {usage.ru_utime:.1f} + {usage.ru_stime:.1f} s in {watch.seconds:.1f} s, "
        f"peak RSS {usage.ru_maxrss * 1024 / _MIB:.0f} MiB, context switches {usage.ru_nvcsw} voluntary and "
        f"{usage.ru_nivcsw} forced; the servers' own CPU {servers[0]:.1f} and {servers[1]:.1f} s",
        flush=True,
    )


def command(home: Path, orthanc: str, fhir: str, source: dict[str, Any]) -> list[str]:
    """Arguments of ``backfill`` between two servers, with its configuration in a file."""
    config = home / "config.yaml"
    source = {"name": "main", "orthanc": orthanc, "patient_id_system": "urn:oid:2.25.99", **source}
    config.write_text(
        yaml.safe_dump({"sources": [source], "target": {"fhir": fhir}, "ledger": f"sqlite:///{home}/ledger.db"})
    )
    config.chmod(0o600)
    return ["backfill", "--config", str(config)]
