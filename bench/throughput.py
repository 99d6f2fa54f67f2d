"""1,000 mixed studies end to end, beside the bare halves of the work: reading Orthanc, and posting the same Bundles."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import requests

from bench.rig import Stopwatch, at_once, servers, spread, store_zips
from indexer.dicomweb import DicomWebSamples
from indexer.orthanc import OrthancSource
from indexer.transport import Transport
from tests.proxy import Proxy
from tests.samples import generate
from tests.servers.hapi import Hapi
from tests.site import Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.model import StudyLocation
    from tests.servers.orthanc import Orthanc

ROUNDS = 5
READERS = 2
VARIANTS: dict[str, dict[str, Any]] = {
    "without the DICOMweb read": {"read_dicomweb": False, "issuer": "ignore"},
    "as shipped": {},
}
MIX = (  # studies, series, instances per series, modalities
    (450, 1, 2, ["CR", "DX"]),
    (50, 1, 1, ["SR"]),
    (300, 3, 8, ["MR"]),
    (150, 2, 25, ["CT", "PT"]),
    (50, 4, 30, ["CT"]),
)


def main() -> None:
    """Store, check the counts once, then measure five interleaved rounds on fresh FHIR servers."""
    with servers() as (orthanc, hapi, home):
        studies, instances = store(orthanc)
        bundles = check_counts(orthanc, hapi, home, studies, next(iter(VARIANTS.values())))
        for title, source in VARIANTS.items():
            print(f"--- {title} ---", flush=True)
            measure(orthanc, source, bundles, studies, instances)


@dataclass(frozen=True)
class Round:
    """Seconds of each kind of work in one round.

    Attributes
    ----------
    command_s
        ``backfill`` with the start of its process, a new ledger, and the marking of every study.
    drain_s
        Its drain alone: reading, mapping, looking, sending and settling all studies.
    busy_s
        How long its sender was busy.
    posts_s, reads_s
        The bare halves of the drain.
    """

    command_s: float
    drain_s: float
    busy_s: float
    posts_s: float
    reads_s: float

    @property
    def busy(self) -> float:
        """Per cent of the drain."""
        return 100 * self.busy_s / self.drain_s

    def __str__(self) -> str:
        return (
            f"command {self.command_s:.1f} s, its drain {self.drain_s:.1f} s, sender busy {self.busy:.0f} %, "
            f"posts alone {self.posts_s:.1f} s, reads alone {self.reads_s:.1f} s"
        )


def measure(orthanc: Orthanc, source: dict[str, Any], bundles: list[bytes], studies: int, instances: int) -> None:
    """Five interleaved rounds with one kind of source."""
    rounds = []
    for number in range(ROUNDS):
        ended = end_to_end(orthanc, source)
        posts_s = post_alone(bundles)
        rounds.append(Round(*ended, posts_s, read_alone(orthanc, has_samples=source.get("read_dicomweb", True))))
        print(f"round {number + 1}: {rounds[-1]}", flush=True)
    tell(rounds, studies, instances)


def store(orthanc: Orthanc, begin: float = 0.0, end: float = 1.0) -> tuple[int, int]:
    """Fill Orthanc through its REST API, with a share of each kind of study; studies and instances."""
    parts = [
        partial(generate, 10, series, each, modality=modality, seed=f"mix{number}-{start}", patients=7)
        for number, (count, series, each, modality) in enumerate(MIX)
        for start in range(round(begin * count / 10) * 10, round(end * count / 10) * 10, 10)
    ]
    with Stopwatch() as watch:
        instances = store_zips(orthanc, parts)
    studies = 10 * len(parts)
    print(f"stored {studies} studies, {instances} instances in {watch.seconds:.0f} s", flush=True)
    return studies, instances


def check_counts(orthanc: Orthanc, hapi: Hapi, home: Path, studies: int, source: dict[str, Any]) -> list[bytes]:
    """One backfill through the recording proxy: entries, verify, and a second backfill; the Bundles that were sent."""
    with Proxy(hapi.url) as proxy:
        site = Site(home=home, orthanc=orthanc, fhir=proxy.url, source=source)
        site.cli("backfill")
        written = proxy.written()
        patients = len(site_patients(hapi.url))
        total = sum(written.values())
        print(f"entries sent: {dict(written)} = {total}; studies + patients + 1 = {studies + patients + 1}")
        bundles = [recorded.body for recorded in proxy.bundles]
        report = site.verify()
        print(f"verify: equal is {report['equal']}, {report['studies']} studies, {report['instances']} instances")
        proxy.clear()
        site.cli("backfill")
        print(f"a second backfill sent {sum(proxy.written().values())} entries", flush=True)
        return bundles


def site_patients(base: str) -> set[str]:
    """Ids of all Patients."""
    found: set[str] = set()
    url: str | None = f"{base}/Patient?_elements=id&_count=200"
    while url:
        page = requests.get(url, timeout=60, headers={"Cache-Control": "no-cache"}).json()
        found |= {entry["resource"]["id"] for entry in page.get("entry", ())}
        url = next((link["url"] for link in page.get("link", ()) if link["relation"] == "next"), None)
    return found


def end_to_end(orthanc: Orthanc, source: dict[str, Any]) -> tuple[float, float, float]:
    """``backfill`` with a new ledger and a fresh FHIR server: seconds of the command, of its drain, of its sender."""
    home = Path(tempfile.mkdtemp(prefix="bench-"))
    with Hapi() as hapi:
        quiet = {"log": {"format": "json", "level": "info"}}
        site = Site(home=home, orthanc=orthanc, fhir=hapi.url, source=source, top=quiet)
        with Stopwatch() as watch:
            done = subprocess.run(site.command("backfill"), capture_output=True, text=True, check=True)
    shutil.rmtree(home)
    ended = next(json.loads(line) for line in done.stderr.splitlines() if '"drain_ended"' in line)
    return watch.seconds, ended["duration_ms"] / 1000, ended["busy_ms"] / 1000


def post_alone(bundles: list[bytes]) -> float:
    """Post the recorded Bundles to a fresh FHIR server, one after the other on one connection."""
    with Hapi() as hapi, requests.Session() as session, Stopwatch() as watch:
        for body in bundles:
            answer = session.post(
                hapi.url,
                data=body,
                headers={"Content-Type": "application/fhir+json", "Prefer": "return=minimal"},
                timeout=300,
            )
            answer.raise_for_status()
    return watch.seconds


def read_alone(orthanc: Orthanc, *, has_samples: bool) -> float:
    """Read every study as the indexer does, and map nothing."""
    source = OrthancSource(Transport(orthanc.url, peer="orthanc"), "main")
    samples = DicomWebSamples(Transport(orthanc.dicomweb_url, peer="dicomweb"))
    locations = list(source.list_locations())

    def read(some: Sequence[StudyLocation]) -> None:
        ahead = source.read_batch(some)
        for location in some:
            study = ahead.get(location) or source.read(location)
            assert samples.sample(study) if has_samples else study.series

    began = time.monotonic()
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, at_once(locations)))
    return time.monotonic() - began


def tell(rounds: list[Round], studies: int, instances: int) -> None:
    """Print medians and the ratio."""
    commands, drains = [one.command_s for one in rounds], [one.drain_s for one in rounds]
    posts, reads = [one.posts_s for one in rounds], [one.reads_s for one in rounds]
    print(f"command:     {spread(commands)}")
    print(f"its drain:   {spread(drains)}")
    print(f"posts alone: {spread(posts)}")
    print(f"reads alone: {spread(reads)}")
    print(f"sender busy: {spread([one.busy for one in rounds], '%')}")
    slower_s, drain_s = max(median(posts), median(reads)), median(drains)
    print(f"the slower half against the drain: {slower_s / drain_s:.2f} (goal 0.75), ", end="")
    print(f"against the command with its start: {slower_s / median(commands):.2f}")
    print(f"{studies / drain_s:.0f} studies/s, {instances / drain_s:.0f} instances/s")
    print("how: each backfill has a new ledger and each round of each kind a fresh HAPI; posts are the Bundles of the")
    print("first backfill; reads use two threads; neither includes the start of a process or the list of studies")
