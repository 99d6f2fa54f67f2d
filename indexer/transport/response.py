"""A whole answer of a server."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from indexer.errors import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Mapping


_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer.

    Attributes
    ----------
    headers
        Names are found in any case.
    body
        Decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    peer: str

    def json(self, *, max_levels: int | None = None) -> Any:
        """Body as JSON.

        Parameters
        ----------
        max_levels
            Where an answer is nested too deep for the parser, it is read so far, and null for what is deeper; without
            it, such an answer is broken.

        Raises
        ------
        ProtocolViolation
            If it is not JSON, or does not say that it is.
        """
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not kind.endswith(("/json", "+json")):
            raise ProtocolViolation(
                f"{self.peer} answered something else than JSON", peer=self.peer, status=self.status
            )
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(self.body)
        with suppress(orjson.JSONDecodeError):
            if max_levels is not None:
                return orjson.loads(_cut(self.body, max_levels))
        raise ProtocolViolation(f"{self.peer} answered JSON that is broken", peer=self.peer, status=self.status)


def _cut(body: bytes, max_levels: int) -> bytes:
    """JSON with null in place of each list and object that is nested deeper."""
    pieces: list[bytes] = []
    level = begin = 0
    for token in _TOKEN.finditer(body):
        if token[0] in (b"[", b"{"):
            level += 1
            if level == max_levels + 1:
                pieces.append(body[begin : token.start()])
        elif token[0] in (b"]", b"}"):
            if level == max_levels + 1:
                pieces.append(b"null")
                begin = token.end()
            level -= 1
    return b"".join([*pieces, body[begin:]]) if level <= max_levels else body
