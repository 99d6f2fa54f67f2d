"""A harmless request that the FHIR server did before: to write one of our resources as it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from indexer import bundle
from indexer.bundle import BundleType, Entry, EntryStatus
from indexer.errors import PeerError, Unavailable
from indexer.model import ResourceKey

if TYPE_CHECKING:
    from indexer.model import Fetched
    from indexer.sync.protocols import FhirTarget


def rewrite(target: FhirTarget, present: Fetched) -> PeerError | None:
    """Write what the server holds; why it does not take it, None if it does."""
    resource = present.resource
    key = ResourceKey(resource["resourceType"], resource["id"])
    request = {"method": "PUT", "url": key.reference}
    if present.version_id is not None:
        request["ifMatch"] = f'W/"{present.version_id}"'
    entry = Entry(key=key, body=orjson.dumps(resource), fhir_id=key.key, request=request)
    packed = bundle.build([entry], BundleType.BATCH)
    try:
        (result,) = target.send(packed.pieces, packed.count)
    except PeerError as error:
        return error
    # A conflict says that the server compares versions, so it works.
    if bundle.judge(result).entry_status in (EntryStatus.ACCEPTED, EntryStatus.CONFLICT):
        return None
    text = "the FHIR server does not take what it holds"
    return Unavailable(text, peer="fhir", status=result.status, retry_after_s=result.retry_after_s)
