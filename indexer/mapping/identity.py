"""Ids of the resources that we write: the same study, patient or endpoint always bears the same id."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """System and value of the identifier that a study's patient bears."""

    system: str
    value: str


def imaging_study_id(study_instance_uid: str) -> str:
    """Id of a study: UUIDv5 of its UID in the OID namespace (RFC 9562, section 5.5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, study_instance_uid))


def endpoint_id(address: str) -> str:
    """Id of an Endpoint: UUIDv5 of its first public address in the URL namespace (RFC 9562, section 5.5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, address.rstrip("/")))


def patient_key(site_key: bytes, system: str, value: str) -> str:
    """Keyed hash of a patient's identifier, 64 hexadecimal digits.

    A plain hash of a patient number can be guessed back by trying all numbers. A URI holds no ``|``, so system and
    value cannot run into each other.
    """
    return keyed_digest(site_key, f"{system}|{value}")


def patient_id(site_key: bytes, system: str, value: str) -> str:
    """Id of a patient: UUIDv8 of the patient's key (RFC 9562, section 5.8)."""
    return patient_id_of_key(patient_key(site_key, system, value))


def patient_id_of_key(key: str) -> str:
    """Id of the patient that bears this key."""
    number = int(key[:32], 16)
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))


def keyed_digest(site_key: bytes, text: str) -> str:
    """HMAC-SHA256 of a text, 64 hexadecimal digits."""
    return hmac.new(site_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
