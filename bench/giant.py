"""One study of 50,000 instances: the indexer's peak memory and time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench.rig import Stopwatch, servers
from tests.samples import instance, store_rest
from tests.site import Site

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SERIES, INSTANCES, CHUNK = 10, 5_000, 500


def main() -> None:
    """Print peak resident memory of ``backfill`` and ``verify``'s verdict."""
    with servers() as (orthanc, hapi, home):
        with Stopwatch() as stored:
            for series in range(SERIES):
                for start in range(0, INSTANCES, CHUNK):
                    store_rest(orthanc, [part(series, start + one) for one in range(CHUNK)])
        print(f"stored {SERIES * INSTANCES} instances in {stored.seconds:.0f} s", flush=True)
        site = Site(home=home, orthanc=orthanc, fhir=hapi.url, target={"timeout": "600s"})
        with Stopwatch() as watch:
            peak = peak_rss(site.command("backfill"))
        print(f"backfill: {watch.seconds:.1f} s, peak resident memory {peak / 2**20:.0f} MiB (goal 256)")
        print(f"verify: equal is {site.verify()['equal']}")
        print("how: ru_maxrss of the backfill process, as the kernel counted it")


def part(series: int, index: int) -> Dataset:
    """One instance of the giant study."""
    return instance("giant", 0, series, index, PatientID="GIANT", PatientName="Sample^Giant", StudyDate="20240101")


def peak_rss(command: list[str]) -> int:
    """Run a command; the peak of its resident memory in bytes, as the kernel counted it."""
    script = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.splitlines()[-1]) * 1024
