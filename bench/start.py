"""What a command costs before it begins to work: CPU seconds of whole processes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fakes.fhir import FakeFhir
from tests.fakes.orthanc import FakeOrthanc

RUNS = 11
HERE = Path(__file__).resolve().parents[1]
BEFORE = os.environ.get("BENCH_BEFORE")
"""Another checkout with a ``.venv``, measured in turn with this one."""


def main() -> None:
    """Print the median of user and system time of commands that hardly do anything."""
    checkouts = {"now": HERE} | ({"before": Path(BEFORE)} if BEFORE else {})
    with FakeOrthanc() as orthanc, FakeFhir() as fhir, tempfile.TemporaryDirectory() as home:
        addresses = ["--orthanc", orthanc.url, "--fhir", fhir.url]
        commands = {
            "--version": ["--version"],
            "--help": ["--help"],
            "status": ["status", *addresses, "--ledger", f"{home}/LABEL.db"],
            "config check": ["config", "check", "--config", str(HERE / "config" / "indexer.example.yaml")],
        }
        for name, arguments in commands.items():
            taken: dict[str, list[float]] = {label: [] for label in checkouts}
            for _ in range(RUNS + 1):
                for label, checkout in checkouts.items():
                    own = [argument.replace("LABEL", label) for argument in arguments]
                    taken[label].append(cpu_s(checkout, own))
            # The first call makes the ledger and the compiled files.
            print(f"{name}: " + ", ".join(f"{label} {statistics.median(s[1:]):.2f} s" for label, s in taken.items()))
    print(f"how: CPU seconds (user and system) of a process, median of {RUNS}, Python {sys.version.split()[0]}")


def cpu_s(checkout: Path, arguments: list[str]) -> float:
    """CPU seconds of one call of the program as it stands in a checkout."""
    python = checkout / ".venv" / "bin" / "python"
    process = subprocess.Popen([python, "-m", "indexer", *arguments], cwd=checkout, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime
