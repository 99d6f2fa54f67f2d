"""Builds the flow from the configuration, over the servers of `indexer.cli.servers`."""

from __future__ import annotations

import functools
import gc
import hashlib
import logging
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from indexer import mapping
from indexer.bundle import Limits, Sizer, TypePolicy
from indexer.cli.servers import Servers, transport_to
from indexer.dicomweb import DicomWebSamples
from indexer.errors import PeerError, WrongServer
from indexer.health import ServerHealth
from indexer.log import Event
from indexer.mapping import Element, Release, Rules, Subject, sampled_keywords
from indexer.model import TargetInfo
from indexer.model.choices import PatientMode
from indexer.plan import PatientPolicy
from indexer.schedule import SettlingRule
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from indexer.config import Source
    from indexer.mapping import Preset
    from indexer.plan import Strategy
    from indexer.sync.protocols import AttributeSource

_log = logging.getLogger(__name__)

RELEASES = {"4.0": Release.R4, "4.3": Release.R4B, "5.0": Release.R5, "6.0": Release.R6}
"""FHIR releases by the first two parts of ``CapabilityStatement.fhirVersion``."""

STRATEGIES = {"put": PutStrategy}
"""By `target.strategy`."""

SWITCH_S = 0.0005
"""Switch interval of threads, in seconds: the sending thread makes many short database calls, and after each of them it
would wait for a mapping thread for Python's default of 5 ms."""

GC_THRESHOLD = 50_000
"""A page of instances is 20,000 objects without a cycle; at Python's default of 700, collecting takes a seventh of all
time."""

_SUBJECTS = {PatientMode.LOGICAL: Subject.LOGICAL, PatientMode.CONTAINED: Subject.CONTAINED}


@dataclass
class Site(Servers):
    """One configured installation: its servers and the flow between them; `stop` ends whatever waits or drains.

    Attributes
    ----------
    outlasts_refusals
        See `ServerHealth`; true for the daemon.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    outlasts_refusals: bool = False
    _recording: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @cached_property
    def health(self) -> dict[str, ServerHealth]:
        """By the name of the server: ``fhir``, ``orthanc main``, ``dicomweb main``."""
        retry = self.config.target.retry
        sampled = [("dicomweb", source.name) for source in self.config.sources if source.read_dicomweb]
        servers = [
            ServerHealth(
                peer=peer,
                source=name,
                stop=self.stop,
                initial_s=retry.initial_s,
                max_s=retry.max_s,
                outlasts_refusals=self.outlasts_refusals,
            )
            for peer, name in (("fhir", None), *(("orthanc", name) for name in self.sources), *sampled)
        ]
        return {health.server: health for health in servers}

    @cached_property
    def release(self) -> Release:
        """The FHIR release to write; with ``auto``, that of the server, and `WrongServer` if it is not a known one."""
        wanted = self.config.target.release
        return self._release_of_server() if wanted == "auto" else wanted

    def _release_of_server(self) -> Release:
        version = self.target.info().fhir_version
        release = RELEASES.get(".".join((version or "").split(".")[:2]))
        if release is None:
            raise WrongServer(
                f"the FHIR server says version {version or 'nothing'}, which 'target.release: auto' does not know",
                peer="fhir",
                hint=f"Set target.release to one of {', '.join(RELEASES.values())} if the server speaks it.",
            )
        return release

    @cached_property
    def configured(self) -> dict[str, ConfiguredSource]:
        """Each source as the flow reads it, by name."""
        return {source.name: self._configured(source) for source in self.config.sources}

    def _configured(self, source: Source) -> ConfiguredSource:
        rules = self._rules(source)
        health = self.health[f"orthanc {source.name}"]
        return ConfiguredSource(
            source=self.sources[source.name],
            health=health,
            samples=self._samples(source, rules),
            samples_health=self.health.get(f"dicomweb {source.name}", health),
            readers=source.readers,
            rules=rules,
        )

    @cached_property
    def endpoints(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Each source's Endpoint; a source with neither 'dicomweb' nor 'dicomweb_root' is asked for its address."""
        return {source.name: functools.partial(self._endpoint, source) for source in self.config.sources}

    def _endpoint(self, source: Source) -> dict[str, Any]:
        address = self.health[f"orthanc {source.name}"].call("connect", lambda: self._address(source), tries=1)
        identifier = self._endpoint_id(source.name)
        rules = self.configured[source.name].rules
        return mapping.endpoint(address, identifier=identifier, source=source.name, rules=rules)

    def _endpoint_id(self, name: str) -> str:
        return self.ledger.endpoint_id(name) or endpoint_id(self._address(self._config_of(name)))

    def _config_of(self, name: str) -> Source:
        return next(source for source in self.config.sources if source.name == name)

    @cached_property
    def strategy(self) -> Strategy:
        return STRATEGIES[self.config.target.strategy](self._endpoint_id)

    @cached_property
    def ids(self) -> TargetIds:
        health = self.health["fhir"]
        return TargetIds(ledger=self.ledger, strategy=self.strategy, target=self.target, health=health)

    def _address(self, source: Source) -> str:
        return source.dicomweb or source.orthanc + self._dicomweb_root(source)

    def _rules(self, source: Source) -> Rules:
        wanted, patients = self.config.mapping, self.config.patients
        preset = mapping.presets()[wanted.preset]
        return Rules(
            site_key=self.ledger.site_key(),
            patient_id_system=source.patient_id_system or self._own_system(source.name),
            release=self.release,
            timezone=source.zone,
            issuer=source.issuer,
            issuer_systems=source.issuer_systems,
            accession_system=source.accession_system,
            accession_systems=source.accession_systems,
            instances=self.config.instances,
            preset=preset,
            elements=self._elements(preset),
            coding_schemes=wanted.coding_schemes,
            body_parts=wanted.body_parts,
            meta_source=wanted.meta_source,
            resolve=tuple(wanted.resolve),
            subject=_SUBJECTS.get(patients.mode, Subject.REFERENCE),
            without_number=patients.without_number,
            device_patient_ids=tuple(patients.devices or ()),
            requires_access_token=source.requires_access_token,
        )

    def _elements(self, preset: Preset) -> frozenset[Element]:
        elements = _switched(mapping.elements_for(preset), self.config.mapping.switches)
        return elements if self.config.patients.devices is None else elements | {Element.DEVICE_SUBJECT}

    def _own_system(self, source: str) -> str:
        system, is_new = self.ledger.patient_system(source)
        if is_new:
            _log.warning(
                "no patient_id_system is set: PatientIDs without an issuer get a system generated for this source",
                extra={"event": Event.PATIENT_SYSTEM_MADE, "source": source},
            )
        return system

    def _samples(self, source: Source, rules: Rules) -> AttributeSource | None:
        if not source.read_dicomweb:
            return None
        archive, cap, keywords = self.archives[source.name], self.config.sampled_instances, sampled_keywords(rules)
        over_dicomweb = DicomWebSamples(
            transport_to(source, source.orthanc, f"dicomweb {source.name}"),
            root=lambda: self._dicomweb_root(source),
            cap=cap,
            files=archive.files(keywords) if archive.files else None,
            reads_all_files=source.read_files == "all",
        )
        if archive.samples is None or source.read_files == "all":
            return over_dicomweb
        return archive.samples(keywords, over_dicomweb, cap)

    def _dicomweb_root(self, source: Source) -> str:
        return source.dicomweb_root or self.archives[source.name].dicomweb_root()

    def poller(self, name: str) -> Poller:
        """The poller of one source."""
        source = self._config_of(name)
        settle = self.config.settle
        quiet_s = max(source.stable_age_s, settle.quiet_s) + settle.margin_s
        return Poller(
            feed=self.feeds[name],
            source=self.sources[name],
            ledger=self.ledger,
            rule=SettlingRule(quiet_s=quiet_s, max_wait_s=settle.max_wait_s),
            clock=time.time,
            starts_now=source.feed.start == "now",
        )

    @cached_property
    def policy(self) -> PatientPolicy:
        patients = self.config.patients
        return PatientPolicy(mode=patients.mode, check=patients.check, update=patients.update_demographics)

    @cached_property
    def reader(self) -> Reader:
        studies = StudyReader(sources=self.configured)
        return Reader(studies=studies, clock=time.time, site_key=self.ledger.site_key())

    @cached_property
    def resolver(self) -> Resolver:
        return Resolver(
            ledger=self.ledger,
            target=self.target,
            health=self.health["fhir"],
            policy=self.policy,
            strategy=self.strategy,
            searches_studies=self.config.ownership == "shared",
        )

    def drain(self) -> Drain:
        """A drain, once the FHIR server is ready; waits for that as long as it takes."""
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        for health in self.health.values():
            health.on_change = self._record_health
        self._record_health()
        fhir = self.health["fhir"]
        fhir.capacities.remember(self.ledger.capacities())
        fhir.capacities.on_learnt = lambda: self.ledger.put_capacities(fhir.capacities.facts)
        fhir.insist("connect", lambda: self.release)
        writer = ResourceWriter(
            ledger=self.ledger,
            sender=self._sender(),
            strategy=self.strategy,
            ownership=self.config.ownership,
            conflict=self.config.conflict,
        )
        setup = TargetSetup(
            ledger=self.ledger,
            target=self.target,
            writer=writer,
            health=fhir,
            endpoints=self.endpoints,
            clock=time.time,
        )
        fhir.insist("connect", setup.make_ready)
        self.ledger.note_setup(self._setup_digest(), time.time())
        return Drain(
            ledger=self.ledger,
            reader=self.reader,
            publisher=Publisher(resolver=self.resolver, writer=writer, setup=setup),
            stop=self.stop,
            on_replaced=lambda: fhir.insist("connect", setup.begin_anew),
            site_key=self.ledger.site_key(),
        )

    def _setup_digest(self) -> str:
        """Changes with the configuration, secrets apart, and with the version of the FHIR server, if it states one."""
        try:
            version = self.target.info()
        except PeerError:
            version = TargetInfo(fhir_version=None)
        config = self.config.model_dump_json()
        return hashlib.sha256(f"{version.fhir_version} {version.software} {config}".encode()).hexdigest()

    def _record_health(self) -> None:
        """Let `status` see the health of the servers; the lock keeps an older state from being written last."""
        with self._recording:
            self.ledger.put_health([health.state() for health in self.health.values()])

    def _sender(self) -> BundleSender:
        bundle = self.config.target.bundle
        limits = Limits(max_entries=bundle.max_entries, max_bytes=bundle.max_bytes)
        return BundleSender(
            target=self.target,
            sizer=Sizer.begin(limits, bundle.target_time_s),
            types=TypePolicy(wanted=bundle.type),
            health=self.health["fhir"],
            clock=time.monotonic,
        )

    @cached_property
    def preview(self) -> Preview:
        """Gives up after three failures, because somebody waits for the answer."""
        return Preview(reader=self.reader, resolver=replace(self.resolver, tries=3), ids=self.ids, clock=time.time)


def _switched(elements: frozenset[Element], switches: Mapping[str, bool]) -> frozenset[Element]:
    """Elements of a preset, with those that the site switches on or off."""
    on = {Element(name) for name, is_on in switches.items() if is_on}
    return (elements | on) - {Element(name) for name, is_on in switches.items() if not is_on}
