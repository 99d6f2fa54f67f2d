"""Whom a study is of, and the key by which the ledger knows the patient."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """System and value of the identifier that a study's patient bears."""

    system: str
    value: str


def patient_key(site_key: bytes, system: str, value: str) -> str:
    """Keyed hash of a patient's identifier, 64 hexadecimal digits.

    A plain hash of a patient number can be guessed back by trying all numbers. A URI holds no ``|``, so system and
    value cannot run into each other.
    """
    return keyed_digest(site_key, f"{system}|{value}")


def keyed_digest(site_key: bytes, text: str) -> str:
    """HMAC-SHA256 of a text, 64 hexadecimal digits."""
    return hmac.new(site_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
