"""Make the FHIR server ready: is it the one that we know, and does it hold our Endpoints?"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from indexer.errors import Refused, Unavailable
from indexer.log import Event
from indexer.merge import Conflict
from indexer.model import EndpointState, Lane, Mark, ResourceKey
from indexer.sync.drain.write import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from indexer.ledger import Ledger
    from indexer.sync.drain.read import SourcePipeline
    from indexer.sync.drain.write import ResourceWriter
    from indexer.sync.protocols import FhirTarget

_log = logging.getLogger(__name__)

CHUNK = 1000


def make_ready(
    ledger: Ledger,
    target: FhirTarget,
    writer: ResourceWriter,
    pipelines: Mapping[str, SourcePipeline],
    clock: Callable[[], float],
) -> None:
    """Publish each source's Endpoint if it is new or changed.

    Our Endpoints are the witnesses: a server that has lost one that it confirmed is another or an emptied server, so
    that nothing counts as sent there.

    Raises
    ------
    Refused
        If the server does not take an Endpoint.
    Unavailable
        If it does not take it now.
    """
    held = {name: known.fhir_id for name in pipelines if (known := ledger.endpoint(name)) is not None}
    if held and None in target.fetch([f"Endpoint/{fhir_id}" for fhir_id in held.values()]):
        replaced(ledger, target, writer, pipelines, clock)
        return
    writer.sender.sentinel = ()
    for name, pipeline in pipelines.items():
        _publish(ledger, writer, name, pipeline, clock)
    writer.sender.sentinel = tuple(pipeline.endpoint.reference for pipeline in pipelines.values())
    if ledger.drained_target() not in (None, target.base_url):
        for name in pipelines:
            mark_known(ledger, name, clock)
    ledger.put_drained_target(target.base_url)


def replaced(
    ledger: Ledger,
    target: FhirTarget,
    writer: ResourceWriter,
    pipelines: Mapping[str, SourcePipeline],
    clock: Callable[[], float],
) -> None:
    """The server turned out to be another or an emptied one: begin anew with it."""
    _log.warning("the FHIR server lost what it had confirmed", extra={"event": Event.TARGET_REPLACED})
    ledger.reset_target()
    make_ready(ledger, target, writer, pipelines, clock)


def _publish(
    ledger: Ledger, writer: ResourceWriter, name: str, pipeline: SourcePipeline, clock: Callable[[], float]
) -> None:
    known = ledger.endpoint(name)
    fhir_id, fingerprint = pipeline.endpoint.fhir_id, pipeline.endpoint_fingerprint
    if known is not None and (known.fhir_id, known.fingerprint) == (fhir_id, fingerprint):
        return
    # There is no quarantine for it: our address holds.
    ours = replace(writer, conflict=Conflict.OURS)
    draft = Draft(key=ResourceKey("Endpoint", name), entry=pipeline.endpoint)
    answer = ours.write([draft])[draft.reference]
    if not answer.is_accepted and not answer.is_final:
        raise Unavailable("the FHIR server put the Endpoint off", peer="fhir", retry_after_s=answer.retry_after_s)
    if not answer.is_accepted:
        raise Refused(
            f"the FHIR server does not take the Endpoint of source {name}: {answer.text}",
            peer="fhir",
            hint="Check that this account may create Endpoint, Patient and ImagingStudy with ids of its own.",
        )
    ledger.put_endpoint(
        EndpointState(
            source=name,
            fhir_id=fhir_id,
            fingerprint=fingerprint,
            version_id=answer.version_id,
            is_shared=answer.is_shared,
        )
    )
    if known is None:
        mark_known(ledger, name, clock)


def mark_known(ledger: Ledger, source: str, clock: Callable[[], float]) -> None:
    """Every study of a source that the ledger knows has to be sent to this target."""
    locations = ledger.locations(source)
    for start in range(0, len(locations), CHUNK):
        chunk = locations[start : start + CHUNK]
        ledger.mark([Mark(location=location, reason="target", lane=Lane.BACKFILL) for location in chunk], clock())
