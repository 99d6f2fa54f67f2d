"""A whole answer of a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from indexer.errors import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Mapping


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

    def json(self) -> Any:
        """Body as JSON.

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
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise ProtocolViolation(
                f"{self.peer} answered JSON that is broken", peer=self.peer, status=self.status
            ) from None
