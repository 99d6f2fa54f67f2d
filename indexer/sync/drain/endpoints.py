"""Prepare the FHIR server: check that it is the one that we know, and publish our Endpoints."""

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
    from indexer.sync.drain.answers import Answer
    from indexer.sync.drain.write import ResourceWriter
    from indexer.sync.protocols import FhirTarget

_log = logging.getLogger(__name__)

CHUNK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSetup:
    """Publishes each source's Endpoint.

    Our Endpoints are the sentinels: a server that lost one that it had confirmed was emptied or replaced, so nothing
    counts as sent there.

    Attributes
    ----------
    endpoints
        Each source's Endpoint as it would be written; raises `PeerError` if the source does not tell its address.
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
            If the server refuses an Endpoint.
        Unavailable
            If it cannot accept one now.
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
        """The server was emptied or replaced: nothing counts as sent there."""
        _log.warning("the FHIR server lost what it had confirmed", extra={"event": Event.TARGET_REPLACED})
        self.ledger.reset_target()
        self.make_ready()

    def endpoint_ids(self, sources: Iterable[str]) -> dict[str, str]:
        """Id of each source's Endpoint, published first if needed; a source that tells no address is left out."""
        sources = sorted(sources)
        for source in sources:
            if source not in self._published:
                self.health.insist("connect", functools.partial(self._publish, source))
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
            return  # the source's health has counted and logged it
        known = self.ledger.endpoint(source)
        key = ResourceKey("Endpoint", source)
        plan = plan_endpoint(key, orjson.dumps(resource), known, self.writer.strategy)
        action = plan.actions[key]
        if action.is_due:
            # An Endpoint cannot go to quarantine: our address wins.
            answer = replace(self.writer, conflict=Conflict.OURS).write(plan)[key]
            self.ledger.put_endpoint(
                _confirmed(source, action, answer), resource["identifier"][0]["value"].removeprefix("urn:uuid:")
            )
            if known is None:
                self._mark_known(source)
        self._published.add(source)

    def _mark_known(self, source: str) -> None:
        """Mark every known study of a source: it must be sent to this server."""
        for locations in batched(self.ledger.locations(source), CHUNK):
            marks = [Mark(location=location, reason="target", lane=Lane.BACKFILL) for location in locations]
            self.ledger.mark(marks, self.clock())


def _confirmed(source: str, action: Action, answer: Answer) -> EndpointState:
    if not answer.is_accepted and not answer.is_final:
        text = "the FHIR server does not accept the Endpoint now"
        raise Unavailable(text, peer="fhir", retry_after_s=answer.retry_after_s)
    if not answer.is_accepted:
        raise Refused(
            f"the FHIR server refuses the Endpoint of source {source}: {answer.text}",
            peer="fhir",
            hint="Check that this account may create Endpoint, Patient and ImagingStudy with its own ids.",
        )
    return EndpointState(
        source=source,
        fhir_id=answer.fhir_id or "",
        fingerprint=action.fingerprint,
        version_id=answer.version_id,
        is_shared=answer.is_shared,
    )
