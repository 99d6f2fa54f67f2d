"""Whether a resource is the one that was last confirmed."""

from __future__ import annotations

import hashlib


def fingerprint(body: bytes) -> str:
    """SHA-256 over a resource as it is sent, 64 hexadecimal digits.

    The mapping builds its elements always in the same order, so that like studies become like bytes.
    """
    return hashlib.sha256(body).hexdigest()
