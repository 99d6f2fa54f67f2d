"""One daemon for hours, with a fault every half minute or so: its memory, threads and descriptors must stay flat."""

import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import psutil

from tests.chaos.archive_life import ArchiveLife
from tests.chaos.converge import Outcome, converge
from tests.chaos.interruptions import Daemon, hold_up
from tests.chaos.rig import Rig, counted, go_on, heading, rig, table, told
from tests.proxy import Fault, Proxy, cut, drop_reply, hang, not_json, reset, slow_reply, status
from tests.servers.hapi import Release
from tests.servers.process import Server

PAUSE_S: Final = 25.0
LONGEST_S: Final = 12.0
SAMPLE_S: Final = 10.0
WARM_UP: Final = 0.15
"""Share of the time in which the program may still grow: caches fill, the allocator settles."""

ALLOWED_MIB: Final = 8.0
"""RSS that the last quarter of the time may have more than the first one after the warm-up."""

FAULTS: Final[tuple[Fault, ...]] = (
    status(400),
    status(401),
    status(403),
    status(404),
    status(429, {"Retry-After": "2"}),
    status(500),
    status(503),
    status(504),
    cut(40),
    drop_reply(),
    hang(),
    hang(forward=True),
    not_json(),
    reset(),
    slow_reply(2.0),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process used at one time."""

    at_s: float
    rss_mib: float
    threads: int
    descriptors: int


@dataclass
class Soak:
    """Injects one fault after the other until a stop is asked for, and takes samples.

    Attributes
    ----------
    proxies
        Between the program and each server.
    done
        Faults by server and kind.
    """

    rig: Rig
    daemon: Daemon
    proxies: dict[str, Proxy]
    seed: str
    stop: threading.Event
    done: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} soak")

    def trouble(self) -> None:
        """One fault after the other, each for some seconds."""
        servers: dict[str, Server] = {"Orthanc": self.rig.orthanc, "FHIR server": self.rig.hapi}
        while not self.stop.wait(self._random.uniform(0.5 * PAUSE_S, 1.5 * PAUSE_S)):
            name = self._random.choice([*servers])
            how = self._random.choices([self._answer_badly, self._refuse, self._restart, self._hold_up], [8, 2, 1, 2])
            self.done[f"{name}: {how[0](self.proxies[name], servers[name])}"] += 1

    def watch(self) -> None:
        """Take samples of the process."""
        begun = time.monotonic()
        while not self.stop.wait(SAMPLE_S):
            self.daemon.check()
            assert self.daemon.pid is not None
            self.samples.append(_sample(self.daemon.pid, time.monotonic() - begun))

    def _answer_badly(self, proxy: Proxy, _: Server) -> str:
        fault = self._random.choice(FAULTS)
        proxy.clear()
        proxy.inject(fault, times=None)
        self._last()
        proxy.clear()
        return fault.name

    def _refuse(self, proxy: Proxy, _: Server) -> str:
        with proxy.refusing():
            self._last()
        return "connections refused"

    def _restart(self, _: Proxy, server: Server) -> str:
        server.kill()
        server.start()
        return "killed"

    def _hold_up(self, _: Proxy, server: Server) -> str:
        hold_up(server, self._last)
        return "held up"

    def _last(self) -> None:
        self.stop.wait(self._random.uniform(1.0, LONGEST_S))


def run(minutes: float, seed: str, orthanc: str, release: Release) -> bool:
    """Let one daemon work for some minutes and print how it fared; whether it lost, doubled or hoarded nothing."""
    command = f"python -m tests.chaos soak --minutes {minutes:g} --seed {seed} --orthanc {orthanc} --release {release}"
    with (
        rig(orthanc, release) as servers,
        Proxy(servers.orthanc.url, keep_bodies=False) as to_orthanc,
        Proxy(servers.hapi.url, keep_bodies=False) as to_fhir,
    ):
        stop = threading.Event()
        site = servers.site(fhir=to_fhir.url, orthanc_url=to_orthanc.url)
        daemon = Daemon(site)
        soak = Soak(servers, daemon, {"Orthanc": to_orthanc, "FHIR server": to_fhir}, seed, stop)
        life = ArchiveLife(orthanc=servers.orthanc, seed=seed, stop=stop, pause_s=2.0)
        with daemon:
            go_on(60 * minutes, stop, [life.live, soak.trouble, soak.watch])
            outcome = converge(site)
        print(heading("One daemon for hours", command))
        print(_report(soak, life, outcome, minutes))
        print("\n".join([*outcome.silent, *outcome.lost, *outcome.doubled]))
        return outcome.is_good and _growth_mib(soak.samples) <= ALLOWED_MIB


def _sample(pid: int, at_s: float) -> Sample:
    process = psutil.Process(pid)
    return Sample(
        at_s=at_s,
        rss_mib=process.memory_info().rss / 1024**2,
        threads=process.num_threads(),
        descriptors=process.num_fds(),
    )


def _quarters(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """The first quarter after the warm-up, and the last one."""
    steady = [sample for sample in samples if sample.at_s >= WARM_UP * samples[-1].at_s]
    count = max(len(steady) // 4, 1)
    return steady[:count], steady[-count:]


def _growth_mib(samples: list[Sample]) -> float:
    first, last = _quarters(samples)
    return statistics.median(one.rss_mib for one in last) - statistics.median(one.rss_mib for one in first)


def _report(soak: Soak, life: ArchiveLife, outcome: Outcome, minutes: float) -> str:
    first, last = _quarters(soak.samples)
    rows: dict[str, object] = {
        "servers": f"Orthanc {soak.rig.orthanc.version}, HAPI {soak.rig.hapi.release}, a proxy before each",
        "duration": f"{minutes:g} min",
        "faults": f"{soak.done.total()}: {counted(soak.done)}",
        "changes of the archive": counted(life.done),
    }
    for name, values in _series().items():
        numbers = [values(sample) for sample in soak.samples]
        before, after = (statistics.median(map(values, part)) for part in (first, last))
        rows[name] = f"{before:.1f} → {after:.1f} (first and last quarter, medians), at most {max(numbers):.1f}"
    return "\n".join([table(rows | told(outcome)), *(_plot(name, soak.samples, of) for name, of in _series().items())])


def _series() -> dict[str, Callable[[Sample], float]]:
    return {
        "RSS in MiB": lambda sample: sample.rss_mib,
        "threads": lambda sample: sample.threads,
        "descriptors": lambda sample: sample.descriptors,
    }


def _plot(name: str, samples: list[Sample], of: Callable[[Sample], float]) -> str:
    """A line over time as a Mermaid chart, of at most 60 points."""
    some = samples[:: max(len(samples) // 60, 1)]
    points = ", ".join(f"{of(sample):.1f}" for sample in some)
    most = 1.2 * max(map(of, samples))
    return (
        f'```mermaid\nxychart-beta\n  title "{name}"\n'
        f'  x-axis "minutes" 0 --> {samples[-1].at_s / 60:.0f}\n'
        f"  y-axis 0 --> {most:.0f}\n  line [{points}]\n```\n"
    )
