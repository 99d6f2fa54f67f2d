"""One study of 50,000 instances: the indexer's peak memory and time."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from bench.rig import Stopwatch, servers, store_zips
from tests.samples import instance
from tests.site import Site

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SERIES, INSTANCES, CHUNK = 10, 5_000, 500


def main() -> None:
    """Print peak resident memory of ``backfill`` and ``verify``'s verdict."""
    with servers() as (orthanc, hapi, home):
        chunks = [(series, start) for series in range(SERIES) for start in range(0, INSTANCES, CHUNK)]
        with Stopwatch() as watch:
            stored = store_zips(orthanc, [partial(part, *chunk) for chunk in chunks])
        print(f"stored {stored} instances in {watch.seconds:.0f} s", flush=True)
        site = Site(home=home, orthanc=orthanc, fhir=hapi.url, target={"timeout": "600s"})
        with Stopwatch() as watch:
            peak = peak_rss(site.command("backfill"))
        print(f"backfill: {watch.seconds:.1f} s, peak resident memory {peak / 2**20:.0f} MiB (goal 256)", flush=True)
        report = site.verify()
        print(f"verify: equal is {report['equal']}, {report['studies']} study, {report['instances']} instances")
        print(f"how: stored by POST /instances, {CHUNK} instances per ZIP file; ru_maxrss of the backfill process, as")
        print("the kernel counted it")


def part(series: int, start: int) -> list[Dataset]:
    """A chunk of the giant study."""
    return [
        instance("giant", 0, series, index, PatientID="GIANT", PatientName="Sample^Giant", StudyDate="20240101")
        for index in range(start, start + CHUNK)
    ]


def peak_rss(command: list[str]) -> int:
    """Run a command; the peak of its resident memory in bytes, as the kernel counted it."""
    script = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.splitlines()[-1]) * 1024
