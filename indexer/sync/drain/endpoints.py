"""Make the FHIR server ready: is it the one that we know, and does it hold our Endpoints?"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from indexer.batched import batched
from indexer.errors import PeerError, Refused, Unavailable
from indexer.log import Event
from indexer.merge import Conflict
from indexer.model import EndpointState, Lane, Mark, ResourceKey
from indexer.plan import plan_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.plan import Action
    from indexer.sync.drain.send import Answer
    from indexer.sync.drain.write import ResourceWriter
    from indexer.sync.protocols import FhirTarget

_log = logging.getLogger(__name__)

CHUNK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSetup:
    """Publishes each source's Endpoint.

    Our Endpoints are the sentinels: a server that has lost one that it confirmed is another or an emptied server, so
    that nothing counts as sent there.

    Attributes
    ----------
    endpoints
        Each source's Endpoint as it would be written; may raise what the source raises when it is asked for its
        address.
    health
        The FHIR server's.
    clock
        Epoch seconds.
    """

    ledger: Ledger
    target: FhirTarget
    writer: ResourceWriter
    health: ServerHealth
    endpoints: Mapping[str, Callable[[], dict[str, Any]]]
    clock: Callable[[], float]
    _published: set[str] = field(default_factory=set, init=False)

    def make_ready(self) -> None:
        """Publish each Endpoint that is new or changed.

        A source that does not tell its address now delays nobody: its Endpoint is published before its first study.

        Raises
        ------
        Refused
            If the server does not take an Endpoint.
        Unavailable
            If it does not take it now.
        """
        known = self._known(self.endpoints)
        if known and None in self.target.fetch([f"Endpoint/{fhir_id}" for fhir_id in known.values()]):
            self.begin_anew()
            return
        self._published.clear()
        self.writer.sender.sentinel = ()
        for source in self.endpoints:
            self._publish(source)
        self._watch()
        if self.ledger.drained_target() not in (None, self.target.base_url):
            for source in self.endpoints:
                self._mark_known(source)
        self.ledger.put_drained_target(self.target.base_url)

    def begin_anew(self) -> None:
        """The server turned out to be another or an emptied one: nothing counts as sent there."""
        _log.warning("the FHIR server lost what it had confirmed", extra={"event": Event.TARGET_REPLACED})
        self.ledger.reset_target()
        self.make_ready()

    def endpoint_ids(self, sources: Iterable[str]) -> dict[str, str]:
        """Id of each source's Endpoint, published if it was not yet; a source that tells no address is left out.

        Raises
        ------
        Interrupted
            If a stop was asked for while the server was out of reach.
        Refused
            If the server does not take an Endpoint.
        """
        sources = sorted(sources)
        for source in sources:
            if source not in self._published:
                self.health.call("connect", functools.partial(self._publish, source))
                self._watch()
        return self._known(sources)

    def _known(self, sources: Iterable[str]) -> dict[str, str]:
        return {source: state.fhir_id for source in sources if (state := self.ledger.endpoint(source)) is not None}

    def _watch(self) -> None:
        known = self._known(self.endpoints)
        self.writer.sender.sentinel = tuple(f"Endpoint/{fhir_id}" for fhir_id in known.values())

    def _publish(self, source: str) -> None:
        try:
            resource = self.endpoints[source]()
        except PeerError:
            return  # its health has counted it, and speaks of it
        known = self.ledger.endpoint(source)
        key = ResourceKey("Endpoint", source)
        plan = plan_endpoint(key, orjson.dumps(resource), known, self.writer.strategy)
        action = plan.actions[key]
        if action.is_due:
            # There is no quarantine for it: our address holds.
            answer = replace(self.writer, conflict=Conflict.OURS).write(plan)[key]
            self.ledger.put_endpoint(
                _confirmed(source, action, answer), action.identifier.value.removeprefix("urn:uuid:")
            )
            if known is None:
                self._mark_known(source)
        self._published.add(source)

    def _mark_known(self, source: str) -> None:
        """Every study of a source that the ledger knows has to be sent to this target."""
        for locations in batched(self.ledger.locations(source), CHUNK):
            marks = [Mark(location=location, reason="target", lane=Lane.BACKFILL) for location in locations]
            self.ledger.mark(marks, self.clock())


def _confirmed(source: str, action: Action, answer: Answer) -> EndpointState:
    if not answer.is_accepted and not answer.is_final:
        raise Unavailable("the FHIR server put the Endpoint off", peer="fhir", retry_after_s=answer.retry_after_s)
    if not answer.is_accepted:
        raise Refused(
            f"the FHIR server does not take the Endpoint of source {source}: {answer.text}",
            peer="fhir",
            hint="Check that this account may create Endpoint, Patient and ImagingStudy with ids of its own.",
        )
    return EndpointState(
        source=source,
        fhir_id=answer.fhir_id or "",
        fingerprint=action.fingerprint,
        version_id=answer.version_id,
        is_shared=answer.is_shared,
    )
