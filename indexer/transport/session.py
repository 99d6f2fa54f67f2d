"""Requests to one server."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Final

import requests

from indexer import __version__
from indexer.errors import AnswerLost, TooLarge
from indexer.transport.deadline import DEADLINE, TimedAdapter
from indexer.transport.faults import FOREIGN, failure, is_dropped, refusal
from indexer.transport.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests.auth import AuthBase

Body = bytes | tuple[bytes | memoryview, ...]
"""In pieces where joining them would hold megabytes twice."""

Params = Mapping[str, str] | Sequence[tuple[str, str]]

_MIB: Final = 1024 * 1024
# What is compressed is unpacked little by little: a small answer may become a huge one.
_PIECE_BYTES: Final = 64 * 1024
_CHUNK_BYTES: Final = 4 * _MIB
_SMALL_BYTES: Final = 64 * 1024
# Safe or idempotent by definition: RFC 9110 "HTTP Semantics", section 9.2.2.
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class _Session(requests.Session):
    """A session that takes no answer for a redirect.

    Though told not to follow one, requests prepares the next request, and reads the whole body of the answer for that.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, whatever the answer says."""


class _Pieces:
    """A body whose pieces are not joined, as far as they are large; it can be sent again."""

    def __init__(self, pieces: tuple[bytes | memoryview, ...]) -> None:
        self._pieces = pieces

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def __iter__(self) -> Iterator[bytes | memoryview]:
        small: list[bytes | memoryview] = []
        for piece in self._pieces:
            if len(piece) < _SMALL_BYTES:
                small.append(piece)
            else:
                yield b"".join(small)
                yield piece
                small = []
        yield b"".join(small)


def _data(body: Body | None) -> bytes | _Pieces | None:
    return _Pieces(body) if isinstance(body, tuple) else body


class Transport:
    """One server. Safe to share between threads; each has its own connection.

    Parameters
    ----------
    base_url
        Address that every path is put behind, without a trailing slash.
    peer
        Name of the server in errors.
    timeout_s
        From the start of a request to the last byte of its answer, besides the time for what is sent and received.
    least_rate
        Bytes per second at which that may go; 0 allows no time for it.
    max_bytes
        Largest answer, after decompression.
    """

    def __init__(
        self,
        base_url: str,
        *,
        peer: str,
        auth: AuthBase | None = None,
        ca_file: Path | None = None,
        timeout_s: float = 120.0,
        least_rate: float = 0.0,
        connect_timeout_s: float = 5.0,
        max_bytes: int = 64 * _MIB,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.peer = peer
        self._auth = auth
        self._verify: str | bool = str(ca_file) if ca_file else True
        self._timeout_s = timeout_s
        self._per_byte_s = 1 / least_rate if least_rate else 0.0
        self._connect_timeout_s = connect_timeout_s
        self._max_bytes = max_bytes
        self._local = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()

    def close(self) -> None:
        """Close the idle connections of all threads."""
        for session in tuple(self._sessions):
            session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        accept_statuses: Sequence[int] = (),
        take: Callable[[bytes], None] | None = None,
    ) -> Response:
        """Send one request and read its whole answer.

        Parameters
        ----------
        path
            Empty, or begins with a slash; put behind the base URL: credentials stay with their origin.
        idempotent
            Whether sending twice is as good as once; by default what HTTP says of the method. Such a request is sent
            again at once when the server drops the connection, as Orthanc does after 1 s without use.
        accept_statuses
            Statuses that are an answer, beside 2xx.
        take
            Gets the body of a success piece by piece: it may have any length, and the deadline is that of a piece.

        Raises
        ------
        Unavailable, AnswerLost, AccessDenied, ProtocolViolation, Conflict, TooLarge, Refused, ConfigError
            `AnswerLost` only if it is not idempotent.
        """
        safe = method in _IDEMPOTENT if idempotent is None else idempotent
        asked = requests.Request(method, self._url(path), headers=headers, params=params, data=_data(body))
        try:
            response = self._exchange(asked, safe, take)
        except FOREIGN as error:
            raise failure(method, self.peer, error, safe) from None
        if 200 <= response.status < 300 or response.status in accept_statuses:
            return response
        raise refusal(method, response, safe)

    def _url(self, path: str) -> str:
        if path and not path.startswith("/"):
            raise ValueError("a path begins with a slash")
        return self.base_url + path

    def _exchange(self, asked: requests.Request, is_safe: bool, take: Callable[[bytes], None] | None) -> Response:
        session = self._session()
        DEADLINE.at, DEADLINE.per_byte_s = time.monotonic() + self._timeout_s, self._per_byte_s
        try:
            answer = self._send(session, asked)
        except requests.exceptions.ConnectionError as error:
            if not (is_safe and is_dropped(error)):
                raise
            answer = self._send(session, asked)
        with contextlib.closing(answer):
            is_success = 200 <= answer.status_code < 300
            body = self._hand_on(answer, take) if take and is_success else self._body(answer, is_safe)
        return Response(status=answer.status_code, headers=answer.headers, body=body, peer=self.peer)

    def _send(self, session: requests.Session, asked: requests.Request) -> requests.Response:
        return session.send(
            session.prepare_request(asked),
            stream=True,
            allow_redirects=False,
            verify=self._verify,
            timeout=(min(self._connect_timeout_s, DEADLINE.remaining_s()), DEADLINE.remaining_s()),
        )

    def _hand_on(self, answer: requests.Response, take: Callable[[bytes], None]) -> bytes:
        for chunk in answer.iter_content(_PIECE_BYTES):
            take(chunk)
            DEADLINE.at = time.monotonic() + self._timeout_s
        return b""

    def _body(self, answer: requests.Response, is_safe: bool) -> bytes:
        chunks: list[bytes] = []
        size = 0
        is_compressed = "Content-Encoding" in answer.headers
        for chunk in answer.iter_content(_PIECE_BYTES if is_compressed else _CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_bytes:
                kind = TooLarge if is_safe else AnswerLost
                text = f"{self.peer} answered more than {self._max_bytes} bytes"
                raise kind(text, peer=self.peer, hint="Ask for less at a time: lower the page size.")
            DEADLINE.check()
        return b"".join(chunks)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = _Session()
            session.trust_env = False
            session.auth = self._auth
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
            session.headers["User-Agent"] = f"dicom-fhir-indexer/{__version__}"
            # No brotli, no zstd: their decoders were the way in for decompression bombs.
            session.headers["Accept-Encoding"] = "gzip, identity"
            for scheme in ("http://", "https://"):
                session.mount(scheme, TimedAdapter(pool_connections=1, pool_maxsize=1))
            self._local.session = session
            self._sessions.add(session)
        return session
