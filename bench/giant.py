"""One study of 50,000 instances: the indexer's peak memory and time."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import requests

from bench.rig import Stopwatch, servers
from tests.samples import instance
from tests.samples.datasets import to_bytes
from tests.site import Site

if TYPE_CHECKING:
    from tests.servers.orthanc import Orthanc

SERIES, INSTANCES, CHUNK = 10, 5_000, 500
# Nothing becomes stable meanwhile: the DICOMweb plugin would read each series whole while the next one comes in.
STABLE_AGE_S = 3600


def main() -> None:
    """Print peak resident memory of ``backfill`` and ``verify``'s verdict."""
    with servers(stable_age_s=STABLE_AGE_S) as (orthanc, hapi, home):
        with Stopwatch() as stored:
            store(orthanc)
        print(f"stored {SERIES * INSTANCES} instances in {stored.seconds:.0f} s", flush=True)
        site = Site(home=home, orthanc=orthanc, fhir=hapi.url, target={"timeout": "600s"})
        with Stopwatch() as watch:
            peak = peak_rss(site.command("backfill"))
        print(f"backfill: {watch.seconds:.1f} s, peak resident memory {peak / 2**20:.0f} MiB (goal 256)", flush=True)
        report = site.verify()
        print(f"verify: equal is {report['equal']}, {report['studies']} study, {report['instances']} instances")
        print("how: stored by POST /instances, 500 instances per ZIP; ru_maxrss of the backfill process, as the kernel")
        print("counted it")


def store(orthanc: Orthanc) -> None:
    """Store the study through Orthanc's REST API, in ZIP files: a request for each instance takes twice as long."""

    def send(number: int) -> None:
        series, start = divmod(number * CHUNK, INSTANCES)
        answer = requests.post(f"{orthanc.url}/instances", data=zipped(series, start), timeout=600)
        answer.raise_for_status()
        assert [one["Status"] for one in answer.json()] == ["Success"] * CHUNK

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(send, range(SERIES * INSTANCES // CHUNK)))


def zipped(series: int, start: int) -> bytes:
    """A ZIP file of a chunk of instances."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for index in range(start, start + CHUNK):
            made = instance("giant", 0, series, index, PatientID="GIANT", StudyDate="20240101")
            archive.writestr(f"{index}.dcm", to_bytes(made))
    return packed.getvalue()


def peak_rss(command: list[str]) -> int:
    """Run a command; the peak of its resident memory in bytes, as the kernel counted it."""
    script = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.splitlines()[-1]) * 1024
