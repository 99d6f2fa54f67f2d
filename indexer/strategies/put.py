"""PUT under ids of our own: the same study, patient or Endpoint always has the same id."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.model import ResourceKey
    from indexer.plan import Action


@dataclass(frozen=True, slots=True)
class PutStrategy:
    """Ids are known before anything is sent.

    Attributes
    ----------
    endpoint_id
        Id of a source's Endpoint: it stays when the address changes, so that no study must be written again.
    """

    endpoint_id: Callable[[str], str]

    def fhir_id(self, key: ResourceKey, existing: Sequence[str] = ()) -> str:
        """Our own id, even if other resources have the identifier."""
        if key.type == "ImagingStudy":
            return imaging_study_id(key.key)
        return patient_id(key.key) if key.type == "Patient" else self.endpoint_id(key.key)

    def request(self, action: Action, if_match: str | None) -> dict[str, str]:
        """A PUT, which replaces only the version `if_match` if one is given."""
        request = {"method": "PUT", "url": f"{action.key.type}/{action.fhir_id}"}
        return request if if_match is None else {**request, "ifMatch": f'W/"{if_match}"'}


def imaging_study_id(study_instance_uid: str) -> str:
    """Id of a study: UUIDv5 of its UID in the OID namespace (RFC 9562, section 5.5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, study_instance_uid))


def endpoint_id(address: str) -> str:
    """Id of an Endpoint: UUIDv5 of its first public address in the URL namespace (RFC 9562, section 5.5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, address.rstrip("/")))


def patient_id(patient_key: str) -> str:
    """Id of a patient: UUIDv8 of the patient's key, a keyed hash of the identifier (RFC 9562, section 5.8)."""
    number = int(patient_key[:32], 16)
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))
