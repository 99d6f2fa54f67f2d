"""1,000 mixed studies end to end, beside the bare halves of the work: reading Orthanc, and posting the same Bundles."""

from __future__ import annotations

import json
import os
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

import psutil
import requests

from bench.rig import Stopwatch, at_once, servers, spread, store_zips
from bench.start import BEFORE, HERE
from indexer import mapping
from indexer.dicomweb import DicomWebSamples
from indexer.mapping import Rules
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

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SHARE = float(os.environ.get("BENCH_SHARE", "1.0"))
"""Of each kind of study in the mix."""

READERS = 2
DATABASE_ALONE = {"read_dicomweb": False, "issuer": "ignore"}
VARIANTS: dict[str, tuple[Path, dict[str, Any]]] = {
    "from the database alone": (HERE, DATABASE_ALONE),
    **({"before, as shipped": (Path(BEFORE), {})} if BEFORE else {}),
    "as shipped": (HERE, {}),
}
"""The checkout that is measured, and the keys of its source."""

MIX = (  # studies, series, instances per series, modalities
    (450, 1, 2, ["CR", "DX"]),
    (50, 1, 1, ["SR"]),
    (300, 3, 8, ["MR"]),
    (150, 2, 25, ["CT", "PT"]),
    (50, 4, 30, ["CT"]),
)


def main() -> None:
    """Store, check the counts once, then measure rounds of each variant in turn on fresh FHIR servers."""
    with servers() as (orthanc, hapi, home):
        studies, instances = store(orthanc, end=SHARE)
        bundles = check_counts(orthanc, hapi, home, studies, DATABASE_ALONE)
        rounds: dict[str, list[Round]] = {title: [] for title in VARIANTS}
        for number in range(ROUNDS):
            for title, (checkout, source) in VARIANTS.items():
                done = measure(orthanc, checkout, source, bundles)
                rounds[title].append(done)
                print(f"round {number + 1}, {title}: {done}", flush=True)
        for title in VARIANTS:
            print(f"--- {title} ---")
            tell(rounds[title], studies, instances)
    print("how: each backfill has a new ledger and each round of each kind a fresh HAPI; posts are the Bundles of the")
    print(
        "first backfill; reads use two threads, as this checkout reads; neither includes the start of a process or the"
    )
    print("list of studies; CPU is user and system time of the Orthanc process")


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
    cpu_s, verify_cpu_s
        CPU seconds of Orthanc meanwhile, and while the archive is compared.
    verify_s
        ``verify`` with the start of its process.
    posts_s, reads_s
        The bare halves of the drain.
    """

    command_s: float
    drain_s: float
    busy_s: float
    cpu_s: float
    verify_s: float
    verify_cpu_s: float
    posts_s: float
    reads_s: float

    @property
    def busy(self) -> float:
        """Per cent of the drain."""
        return 100 * self.busy_s / self.drain_s

    def __str__(self) -> str:
        return (
            f"command {self.command_s:.1f} s, its drain {self.drain_s:.1f} s, sender busy {self.busy:.0f} %, "
            f"posts alone {self.posts_s:.1f} s, reads alone {self.reads_s:.1f} s, Orthanc's CPU {self.cpu_s:.1f} s, "
            f"verify {self.verify_s:.1f} s, Orthanc's CPU {self.verify_cpu_s:.1f} s"
        )


def measure(orthanc: Orthanc, checkout: Path, source: dict[str, Any], bundles: list[bytes]) -> Round:
    """One round of one variant."""
    facts = end_to_end(orthanc, checkout, source)
    posts_s = post_alone(bundles)
    return Round(**facts, posts_s=posts_s, reads_s=read_alone(orthanc, has_samples=source.get("read_dicomweb", True)))


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


def end_to_end(orthanc: Orthanc, checkout: Path, source: dict[str, Any]) -> dict[str, float]:
    """``backfill`` with a new ledger and a fresh FHIR server, and ``verify`` after it."""
    home = Path(tempfile.mkdtemp(prefix="bench-"))
    with Hapi() as hapi:
        quiet = {"log": {"format": "json", "level": "info"}}
        site = Site(home=home, orthanc=orthanc, fhir=hapi.url, source=source, top=quiet)

        def call(name: str) -> tuple[str, float, float]:
            python = str(checkout / ".venv" / "bin" / "python")
            command = [python, "-m", "indexer", *site.arguments(name)]
            before_s = cpu_s(orthanc)
            with Stopwatch() as watch:
                done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=checkout)
            return done.stderr, watch.seconds, cpu_s(orthanc) - before_s

        log, command_s, backfill_cpu_s = call("backfill")
        _, verify_s, verify_cpu_s = call("verify")
    shutil.rmtree(home)
    ended = next(json.loads(line) for line in log.splitlines() if '"drain_ended"' in line)
    return {
        "command_s": command_s,
        "drain_s": ended["duration_ms"] / 1000,
        "busy_s": ended["busy_ms"] / 1000,
        "cpu_s": backfill_cpu_s,
        "verify_s": verify_s,
        "verify_cpu_s": verify_cpu_s,
    }


def cpu_s(orthanc: Orthanc) -> float:
    """CPU seconds that Orthanc has taken so far."""
    times = psutil.Process(orthanc.pid).cpu_times()
    return times.user + times.system


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
    keywords = mapping.sampled_keywords(Rules(site_key=b"bench", patient_id_system="urn:oid:2.25.99"))
    samples = source.samples(keywords, DicomWebSamples(Transport(orthanc.dicomweb_url, peer="dicomweb")), 20)
    locations = list(source.list_locations())

    def read(some: Sequence[StudyLocation]) -> None:
        ahead = source.read_batch(some)
        studies = [ahead.get(location) or source.read(location) for location in some]
        for study, series in zip(studies, samples.sample_batch(studies) if has_samples else (), strict=has_samples):
            assert series or samples.sample(study)

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
    print(f"Orthanc's CPU per study: {1000 * median(one.cpu_s for one in rounds) / studies:.1f} ms")
    print(f"verify:      {spread([one.verify_s for one in rounds])}, Orthanc's CPU per study: ", end="")
    print(f"{1000 * median(one.verify_cpu_s for one in rounds) / studies:.1f} ms", flush=True)
