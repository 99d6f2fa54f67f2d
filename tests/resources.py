"""Resources under the ids that `PutStrategy` gives them, and entries of a Bundle."""

from dataclasses import replace
from typing import Any, Final

import orjson

from indexer.bundle import Entry, bind
from indexer.mapping import Mapped
from indexer.model import ResourceKey
from indexer.strategies import PutStrategy, imaging_study_id, patient_id

ENDPOINT_ID: Final = "5c7b2d1e-0000-5000-8000-000000000001"


def put_strategy() -> PutStrategy:
    return PutStrategy(lambda _: ENDPOINT_ID)


def as_put(mapped: Mapped) -> Mapped:
    """What was mapped, with the ids and references under which it is put."""
    (identifier,) = (one for one in mapped.imaging_study["identifier"] if one.get("system") == "urn:dicom:uid")
    patient = patient_id(mapped.patient_key)
    references = {
        ResourceKey("Patient", mapped.patient_key).reference: f"Patient/{patient}",
        ResourceKey("Endpoint", mapped.source).reference: f"Endpoint/{ENDPOINT_ID}",
    }
    study = imaging_study_id(identifier["value"].removeprefix("urn:oid:"))
    return replace(
        mapped,
        imaging_study=with_id(mapped.imaging_study, study, references),
        patient=with_id(mapped.patient, patient, references),
    )


def with_id(resource: dict[str, Any], fhir_id: str, references: dict[str, str] | None = None) -> dict[str, Any]:
    """A mapped resource as it is sent."""
    bound: dict[str, Any] = orjson.loads(bind(orjson.dumps(resource), fhir_id=fhir_id, references=references or {}))
    return bound


def put_entry(resource: dict[str, Any], **options: Any) -> Entry:
    """A whole resource as an entry, without what only bisecting needs."""
    key, if_match = ResourceKey(resource["resourceType"], resource["id"]), options.get("if_match")
    request = {"method": "PUT", "url": key.reference} | ({"ifMatch": f'W/"{if_match}"'} if if_match else {})
    return Entry(key=key, fhir_id=resource["id"], body=orjson.dumps(resource), request=request, **options)
