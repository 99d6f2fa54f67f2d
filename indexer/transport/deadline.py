"""Connections that hold one deadline for a whole answer, head and body; requests itself has only one per read."""

from __future__ import annotations

import http.client
import io
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import urllib3.connection
import urllib3.connectionpool
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import socket


_PIECE_BYTES: Final = 64 * 1024


class _Deadline(threading.local):
    """When the request of this thread must have its whole answer, on the monotonic clock.

    Attributes
    ----------
    per_byte_s
        Time that each byte adds that is sent or received.
    """

    at: float = 0.0
    per_byte_s: float = 0.0

    def remaining_s(self) -> float:
        return max(self.at - time.monotonic(), 0.001)

    def moved(self, count: int) -> None:
        """So many bytes went over the link."""
        self.at += count * self.per_byte_s

    def check(self) -> None:
        if time.monotonic() >= self.at:
            raise TimeoutError


DEADLINE: Final = _Deadline()


class _TimedReader(io.RawIOBase):
    """Reads a socket until the deadline of its thread, however little comes at a time."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        DEADLINE.check()
        self._sock.settimeout(DEADLINE.remaining_s())
        count = self._raw.readinto(buffer)
        DEADLINE.moved(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """An answer whose head and body are read under the deadline; requests alone has no such limit."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReader(sock))


class _TimedSending:
    """Sends a body under the deadline: urllib3 gives the whole of it the time that it gives a connection."""

    sock: socket.socket | None

    def send(self, data: Any) -> None:
        view = memoryview(data)
        for start in range(0, max(len(view), 1), _PIECE_BYTES):
            DEADLINE.check()
            if self.sock is not None:
                self.sock.settimeout(DEADLINE.remaining_s())
            piece = view[start : start + _PIECE_BYTES]
            super().send(piece)  # type: ignore[misc]
            DEADLINE.moved(len(piece))


class _HttpConnection(_TimedSending, urllib3.connection.HTTPConnection):
    response_class = _TimedResponse


class _HttpsConnection(_TimedSending, urllib3.connection.HTTPSConnection):
    response_class = _TimedResponse


class _HttpPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class TimedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
