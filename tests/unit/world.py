"""One installation in memory: archive, FHIR server and the real ledger, with everything between them as composed."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from indexer import mapping, schedule
from indexer.bundle import Limits, Sizer, TypePolicy
from indexer.errors import Unavailable
from indexer.health import ServerHealth
from indexer.ledger import Ledger, open_ledger
from indexer.mapping import Rules
from indexer.merge import Conflict
from indexer.model import Mark, Task
from indexer.model.ledger import DirtyRow
from indexer.plan import PatientPolicy, Strategy, WritePlan
from indexer.strategies import PutStrategy, endpoint_id
from indexer.sync.changes.poll import Poller
from indexer.sync.drain.drain import Drain
from indexer.sync.drain.endpoints import TargetSetup
from indexer.sync.drain.publish import Publisher
from indexer.sync.drain.read import Reader
from indexer.sync.drain.resolve import Resolver
from indexer.sync.drain.send import BundleSender
from indexer.sync.drain.study_reader import ConfiguredSource, StudyReader
from indexer.sync.drain.write import ResourceWriter
from indexer.sync.preview import Preview
from indexer.sync.target_ids import TargetIds
from indexer.sync.verify import Report, Verifier
from tests.fakes.memory import Clock, MemorySource, MemoryTarget, study

ADDRESS = "http://pacs.example/dicom-web"
DEADLINE_S = 20.0
SITE_KEY = b"k" * 32
Part = TypeVar("Part")
DOWN = Unavailable("down", peer="orthanc")
BROKEN = Unavailable("a file is missing", peer="orthanc", status=500)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll a condition; AssertionError if it does not hold in time."""
    pause = threading.Event()
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain for: {what}"
        pause.wait(0.005)


def quick(peer: str, source: str | None = None, stop: threading.Event | None = None, **options: Any) -> ServerHealth:
    """Of a server that is waited for no longer than a test has time."""
    timing = {"initial_s": 0.001, "max_s": 0.01, **options}
    return ServerHealth(peer=peer, source=source, stop=stop or threading.Event(), **timing)


def configured(source: MemorySource, *, readers: int = 2, **rules: Any) -> ConfiguredSource:
    """A source that samples; ``issuer="ignore"`` switches the samples off."""
    applied = Rules(**{"site_key": SITE_KEY, "patient_id_system": "urn:oid:1.2.3.4", **rules})
    return ConfiguredSource(
        source=source,
        health=quick("orthanc", source.name),
        samples_health=quick("dicomweb", source.name),
        readers=readers,
        samples=source if applied.issuer == "read" else None,
        rules=applied,
    )


@dataclass(kw_only=True)
class World:
    """Waits are so short that tests need not sleep; `clock` is the epoch clock of all parts."""

    ledger: Ledger
    clock: Clock = field(default_factory=Clock)
    target: MemoryTarget = field(default_factory=MemoryTarget)
    stop: threading.Event = field(default_factory=threading.Event)
    limits: Limits = field(default_factory=Limits)
    bundle_type: Any = "auto"
    ownership: Any = "shared"
    conflict: Conflict = Conflict.OURS
    policy: PatientPolicy = field(default_factory=PatientPolicy)
    addresses: dict[str, str] = field(default_factory=lambda: {"main": ADDRESS})
    site_key: bytes = field(default=SITE_KEY, repr=False)
    health: ServerHealth = field(init=False)
    source: MemorySource = field(init=False)
    sources: dict[str, ConfiguredSource] = field(init=False)
    sender: BundleSender = field(init=False)
    strategy: Strategy = field(init=False)

    def __post_init__(self) -> None:
        self.strategy = PutStrategy(self.endpoint_id)
        self.health = quick("fhir", stop=self.stop)
        self.source = MemorySource(self.clock)
        self.sources = {"main": configured(self.source)}
        self.send_by()

    # --- the parts ----------------------------------------------------------------------------------------------------

    def part(self, kind: type[Part], **options: Any) -> Part:
        """A part of the flow; what it needs is what we have of that name."""
        names = {one.name for one in fields(kind) if one.init} - options.keys()  # type: ignore[arg-type]
        return kind(**{name: getattr(self, name) for name in names if hasattr(self, name)}, **options)

    def send_by(self, **options: Any) -> None:
        """A new sender, which has learnt nothing, with other `limits`, `bundle_type` or `target`."""
        for name, value in options.items():
            setattr(self, name, value)
        sizer, types = Sizer.begin(self.limits, 1.0), TypePolicy(wanted=self.bundle_type)
        self.sender = self.part(BundleSender, sizer=sizer, types=types, clock=time.monotonic)

    def add_source(self, name: str = "second", **options: Any) -> MemorySource:
        """Another source with a public address."""
        source = MemorySource(self.clock, name)
        self.sources[name] = configured(source, **options)
        self.addresses[name] = f"http://{name}.example/dicom-web"
        return source

    @property
    def reader(self) -> Reader:
        return self.part(Reader, studies=StudyReader(sources=self.sources))

    @property
    def writer(self) -> ResourceWriter:
        return self.part(ResourceWriter)

    @property
    def resolver(self) -> Resolver:
        return self.part(Resolver, searches_studies=self.ownership == "shared")

    @property
    def ids(self) -> TargetIds:
        return self.part(TargetIds)

    @property
    def setup(self) -> TargetSetup:
        return self.part(TargetSetup)

    def poller(self, **options: Any) -> Poller:
        rule = schedule.SettlingRule(quiet_s=70, max_wait_s=900)
        return self.part(Poller, **{"feed": self.source, "rule": rule, **options})

    def endpoint_id(self, source: str) -> str:
        return self.ledger.endpoint_id(source) or endpoint_id(self.addresses[source])

    def endpoint(self, source: str) -> dict[str, Any]:
        """The source's Endpoint as it would be written; a source without an address does not tell it now."""
        if source not in self.addresses:
            raise Unavailable("down", peer=f"orthanc {source}")
        identifier = self.endpoint_id(source)
        rules = self.sources[source].rules
        return mapping.endpoint(self.addresses[source], identifier=identifier, source=source, rules=rules)

    @property
    def endpoints(self) -> dict[str, Callable[[], dict[str, Any]]]:
        return {source: functools.partial(self.endpoint, source) for source in self.sources}

    def new_drain(self) -> Drain:
        """A drain whose server is ready; an earlier stop is forgotten."""
        self.stop.clear()
        return self.built_drain()

    def built_drain(self) -> Drain:
        """The same, as the daemon builds it: a stop stays one."""
        setup = self.setup
        setup.make_ready()
        publisher = self.part(Publisher, setup=setup, writer=setup.writer)
        return self.part(Drain, publisher=publisher, on_replaced=setup.begin_anew)

    # --- what is done -------------------------------------------------------------------------------------------------

    def make_ready(self) -> None:
        self.setup.make_ready()

    def store(self, *studies: Any, source: MemorySource | None = None, **options: Any) -> None:
        """Store studies and poll, so that they are dirty."""
        source = source or self.source
        for one in studies:
            source.put(one, **options)
        self.poller(feed=source, source=source).poll()

    def drain(self, drain: Drain | None = None) -> Drain:
        """Drain until nothing is due; the ended drain."""
        drain = drain or self.new_drain()
        with self.ledger.drain_lock():
            drain.run(lambda: self.is_idle)
        return drain

    def publish(self, *studies: Any) -> None:
        """Store studies and drain."""
        self.store(*studies)
        self.drain()

    @property
    def is_idle(self) -> bool:
        return 0 not in [self.ledger.next_due(self.clock(), source=name) for name in self.sources]

    @contextmanager
    def draining(self) -> Iterator[Drain]:
        """A drain in a thread for as long as the block lasts; its failure is raised at the end."""
        drain = self.new_drain()

        def run() -> None:
            with self.ledger.drain_lock():
                drain.run()

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(run)
            try:
                yield drain
            finally:
                self.stop.set()
                running.exception(DEADLINE_S)
        running.result()

    def mark(self, *uids: str, source: MemorySource | None = None, **options: Any) -> None:
        """Mark stored studies."""
        options = {"reason": "backfill", **options}
        locations = [(source or self.source).find(uid)[0] for uid in uids]
        self.ledger.mark([Mark(location=location, **options) for location in locations], self.clock())

    def poll(self) -> int:
        return self.poller().poll()

    def take(self, limit: int = 100) -> tuple[Task, ...]:
        return self.ledger.take(self.clock(), limit, 900.0, source="main", sources=["main"])

    def plan(self, task: Task) -> WritePlan:
        """What a drain would write of a task."""
        (plan,) = self.part(Preview).preview([task.locations], force=task.force)
        assert isinstance(plan, WritePlan)
        return plan

    def verify(self) -> Report:
        return self.part(Verifier, studies=StudyReader(sources=self.sources, tries=1), tries=1).verify()

    def break_at(self, method: str, is_guilty: Callable[[Any], bool], error: Exception) -> None:
        """The FHIR server fails at whatever is asked of it together with something guilty."""
        ask = getattr(self.target, method)

        def breaking(asked: Sequence[Any]) -> Any:
            if any(map(is_guilty, asked)):
                raise error
            return ask(asked)

        setattr(self.target, method, breaking)

    # --- what came of it ----------------------------------------------------------------------------------------------

    def study(self, uid: str = "1.2.3") -> dict[str, Any]:
        """The only ImagingStudy of the FHIR server that bears a UID."""
        (held,) = self.target.find_studies([uid])[uid]
        return held.resource

    @property
    def studies(self) -> list[dict[str, Any]]:
        return self.target.of_type("ImagingStudy")

    def dirty(self, uid: str = "1.2.3") -> DirtyRow | None:
        row = self.ledger.study(uid)
        return row.dirty if row else None

    def cause(self, uid: str = "1.2.3") -> str | None:
        """Why a study waits, if it is dirty."""
        dirty = self.dirty(uid)
        return dirty.last_cause if dirty else None

    def dirty_uids(self, uids: Sequence[str]) -> list[str]:
        """Those of these studies that are dirty."""
        return [uid for uid in uids if self.dirty(uid)]

    @property
    def quarantined(self) -> dict[str, str]:
        """Causes by UID."""
        return {row.study_instance_uid: row.cause for row in self.ledger.quarantine()}


def many(count: int, **options: Any) -> list[Any]:
    """Studies of ten patients."""
    return [study(f"1.2.{number}", patient_id=f"P{number % 10}", **options) for number in range(1, count + 1)]


@contextmanager
def opened(directory: Path, base_url: str = "http://fhir.example/fhir") -> Iterator[Ledger]:
    """A ledger of its own, for one FHIR server."""
    with open_ledger(f"sqlite:///{directory}/ledger.db", base_url, site_key=SITE_KEY) as ledger:
        yield ledger
