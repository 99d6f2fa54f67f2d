"""One installation in memory: archive, FHIR server and the real ledger, with everything between them as composed."""

from __future__ import annotations

import functools
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from indexer import mapping, schedule
from indexer.bundle import Limits, Sizer, TypePolicy
from indexer.errors import Unavailable
from indexer.health import ServerHealth
from indexer.ledger import Ledger, open_ledger
from indexer.mapping import Rules
from indexer.merge import Conflict
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
from indexer.sync.verify import Verifier
from tests.fakes.memory import Clock, MemorySource, MemoryTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from indexer.model import Mark, Task
    from indexer.sync.verify import Report

ADDRESS = "http://pacs.example/dicom-web"
DEADLINE_S = 20.0
SITE_KEY = b"k" * 32


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
    health: ServerHealth = field(init=False)
    source: MemorySource = field(init=False)
    sources: dict[str, ConfiguredSource] = field(init=False)
    reader: Reader = field(init=False)
    ownership: Any = "shared"
    conflict: Conflict = Conflict.OURS
    policy: PatientPolicy = field(default_factory=PatientPolicy)
    sender: BundleSender = field(init=False)
    strategy: Strategy = field(init=False)
    addresses: dict[str, str] = field(default_factory=lambda: {"main": ADDRESS})
    poller: Poller = field(init=False)

    def __post_init__(self) -> None:
        self.strategy = PutStrategy(self.endpoint_id)
        self.health = quick("fhir", stop=self.stop)
        self.source = MemorySource(self.clock)
        self.sources = {"main": configured(self.source)}
        self.reader = self.new_reader()
        self.sender = self.new_sender()
        self.poller = self.new_poller()

    def new_sender(self) -> BundleSender:
        return BundleSender(
            target=self.target,
            sizer=Sizer.begin(self.limits, 1.0),
            types=TypePolicy(wanted=self.bundle_type),
            health=self.health,
            clock=time.monotonic,
        )

    def new_reader(self) -> Reader:
        return Reader(studies=StudyReader(sources=self.sources), clock=self.clock, site_key=SITE_KEY)

    @property
    def writer(self) -> ResourceWriter:
        return ResourceWriter(
            ledger=self.ledger,
            sender=self.sender,
            strategy=self.strategy,
            ownership=self.ownership,
            conflict=self.conflict,
        )

    @property
    def resolver(self) -> Resolver:
        return Resolver(
            ledger=self.ledger,
            target=self.target,
            health=self.health,
            policy=self.policy,
            strategy=self.strategy,
            searches_studies=self.ownership == "shared",
        )

    def new_poller(self, **options: Any) -> Poller:
        rule = schedule.SettlingRule(quiet_s=70, max_wait_s=900)
        parts: dict[str, Any] = {"feed": self.source, "source": self.source, "ledger": self.ledger, "rule": rule}
        return Poller(**{**parts, "clock": self.clock, **options})

    def move_endpoint(self, address: str) -> None:
        """Another public address of the source; the id of its Endpoint stays, as the ledger keeps it."""
        self.addresses["main"] = address

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

    @property
    def setup(self) -> TargetSetup:
        return TargetSetup(
            ledger=self.ledger,
            target=self.target,
            writer=self.writer,
            health=self.health,
            endpoints=self.endpoints,
            clock=self.clock,
        )

    def plan(self, task: Task) -> WritePlan:
        """What a drain would write of a task."""
        (plan,) = self.preview.preview([task.locations], force=task.force)
        assert isinstance(plan, WritePlan)
        return plan

    @property
    def preview(self) -> Preview:
        return Preview(reader=self.reader, resolver=self.resolver, ids=self.ids, clock=self.clock)

    @property
    def ids(self) -> TargetIds:
        return TargetIds(ledger=self.ledger, strategy=self.strategy)

    def new_drain(self) -> Drain:
        """A drain whose server is ready; an earlier stop is forgotten."""
        self.stop.clear()
        return self.built_drain()

    def built_drain(self) -> Drain:
        """The same, as the daemon builds it: a stop stays one."""
        setup = self.setup
        setup.make_ready()
        return Drain(
            ledger=self.ledger,
            reader=self.reader,
            publisher=Publisher(resolver=self.resolver, writer=setup.writer, setup=setup),
            stop=self.stop,
            on_replaced=setup.begin_anew,
            clock=self.clock,
            site_key=SITE_KEY,
        )

    def make_ready(self) -> None:
        self.setup.make_ready()

    def drain(self) -> Drain:
        """Drain until nothing is due; the ended drain."""
        drain = self.new_drain()
        with self.ledger.drain_lock():
            drain.run(lambda: self.is_idle)
        return drain

    @property
    def is_idle(self) -> bool:
        dues = [self.ledger.next_due(self.clock(), source=name) for name in self.sources]
        return 0 not in dues

    @contextmanager
    def draining(self) -> Iterator[Drain]:
        """A drain in a thread for as long as the block lasts; its failure is raised at the end."""
        drain = self.new_drain()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                with self.ledger.drain_lock():
                    drain.run()
            except BaseException as error:  # noqa: BLE001 - raised again below
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield drain
        finally:
            self.stop.set()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        if failures:
            raise failures[0]

    def mark(self, *marks: Mark) -> None:
        self.ledger.mark(marks, self.clock())

    def take(self, limit: int = 100) -> tuple[Task, ...]:
        return self.ledger.take(self.clock(), limit, 900.0, source="main", sources=["main"])

    def publish(self, *studies: Any) -> None:
        """Store studies, poll and drain."""
        for one in studies:
            self.source.put(one)
        self.poller.poll()
        self.drain()

    def verify(self) -> Report:
        return Verifier(
            ledger=self.ledger,
            target=self.target,
            studies=replace(self.reader.studies, tries=1),
            ids=self.ids,
            endpoints=self.endpoints,
            health=self.health,
            tries=1,
        ).verify()

    def dirty_uids(self, uids: Sequence[str]) -> list[str]:
        """Those of these studies that are dirty."""
        rows = {uid: self.ledger.study(uid) for uid in uids}
        return [uid for uid, row in rows.items() if row is not None and row.dirty is not None]


@contextmanager
def opened(directory: Path, base_url: str = "http://fhir.example/fhir") -> Iterator[Ledger]:
    """A ledger of its own, for one FHIR server."""
    with open_ledger(f"sqlite:///{directory}/ledger.db", base_url, site_key=SITE_KEY) as ledger:
        yield ledger
