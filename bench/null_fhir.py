"""What a FHIR server would answer that takes everything at once and holds nothing."""

from __future__ import annotations

from typing import Final

import orjson

_RESPONSE: Final = b'{"response":{"status":"201 Created","location":"Resource/1/_history/1","etag":"W/\\"1\\""}}'
_MISSING: Final = b'{"response":{"status":"404 Not Found"}}'
_STATEMENT: Final = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "software": {"name": "null"}}


def answer(target: str, body: bytes) -> bytes:
    """Answer a search, a Bundle of reads or a Bundle of writes, without a look at the resources."""
    if target.endswith("/metadata"):
        return orjson.dumps(_STATEMENT)
    if not body.startswith(b'{"resourceType":"Bundle"'):
        return b'{"resourceType":"Bundle","type":"searchset","total":0}'
    kind = b"transaction" if b'"type":"transaction"' in body[:60] else b"batch"
    reads = body.count(b'"request":{"method":"GET"')
    entries = [_MISSING] * reads or [_RESPONSE] * body.count(b'"request":{"method":')
    return b'{"resourceType":"Bundle","type":"%b-response","entry":[%b]}' % (kind, b",".join(entries))
