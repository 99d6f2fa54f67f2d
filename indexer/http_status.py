"""What an HTTP status means, of a whole answer and of one entry of a Bundle alike."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Meaning(Enum):
    """Who acts next."""

    DONE = auto()
    ELSEWHERE = auto()
    DENIED = auto()
    CONFLICT = auto()
    TOO_LARGE = auto()
    LATER = auto()
    REFUSED = auto()


_MEANINGS: Final = {
    401: Meaning.DENIED,
    403: Meaning.DENIED,
    408: Meaning.LATER,
    409: Meaning.CONFLICT,
    412: Meaning.CONFLICT,
    413: Meaning.TOO_LARGE,
    425: Meaning.LATER,
    429: Meaning.LATER,
    501: Meaning.REFUSED,
}
_MEANINGS_OF_CLASSES: Final = {2: Meaning.DONE, 4: Meaning.REFUSED, 5: Meaning.LATER}


def meaning(status: int) -> Meaning:
    """Read a status (RFC 9110, section 15; RFC 6585 for 429)."""
    return _MEANINGS.get(status) or _MEANINGS_OF_CLASSES.get(min(status // 100, 5), Meaning.ELSEWHERE)
