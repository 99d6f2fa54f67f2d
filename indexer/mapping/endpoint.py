"""A source's DICOMweb service → Endpoint.

Source: FHIR R4 ImagingStudy, "Notes": a WADO-RS address is the service's root, without a query and a trailing slash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping import coding
from indexer.mapping.issues import Issues
from indexer.mapping.meta import with_meta
from indexer.mapping.release import ENCODINGS

if TYPE_CHECKING:
    from indexer.mapping.rules import Rules

CONNECTION_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
MIME_TYPE = "application/dicom"


def endpoint(address: str, *, identifier: str, source: str, rules: Rules) -> dict[str, Any]:
    """The Endpoint of one source, without an id.

    Parameters
    ----------
    identifier
        A UUID that stays when the address changes; not every server can search by address.
    """
    connection = coding.concept(coding.coding(CONNECTION_TYPE, "dicom-wado-rs", "DICOM WADO-RS"))
    token = rules.preset.token_extension if rules.requires_access_token is not None else None
    resource = {
        "resourceType": "Endpoint",
        **({"extension": [{"url": token, "valueBoolean": rules.requires_access_token}]} if token else {}),
        "identifier": [{"use": "official", "system": coding.URI_SYSTEM, "value": f"urn:uuid:{identifier}"}],
        "status": "active",
        "name": source,
        **ENCODINGS[rules.release].connection(connection, dict(rules.preset.payload_type), MIME_TYPE),
        "address": address.rstrip("/"),
    }
    return with_meta(resource, rules, Issues())
