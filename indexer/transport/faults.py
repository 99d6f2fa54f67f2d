"""The one table of what can go wrong between us and a server, and how each of it is told."""

from __future__ import annotations

import email.utils
import http.client
import time
from enum import Enum
from typing import TYPE_CHECKING, Final

import requests.exceptions as rx
import urllib3.exceptions as ux

from indexer.errors import (
    AccessDenied,
    AnswerLost,
    ConfigError,
    Conflict,
    IndexerError,
    PeerError,
    ProtocolViolation,
    Refused,
    TooLarge,
    Unavailable,
)
from indexer.http_status import Meaning, meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer.transport.response import Response

_MIN_RETRY_AFTER_S: Final = 1.0
_MAX_RETRY_AFTER_S: Final = 600.0
FOREIGN: Final = (OSError, ux.HTTPError, http.client.HTTPException, ValueError)


class Fault(Enum):
    """How a request failed without an answer: text and hint."""

    UNSENT = ("cannot connect", None)
    TLS = ("TLS failed", "Check the certificate of the server and 'ca_file'.")
    TIMEOUT = ("no whole answer in time", "The server is slow or hangs; see its log, or raise 'timeout_s'.")
    BROKEN = ("the connection broke", None)
    GARBLED = ("the answer cannot be decoded", None)
    SETTINGS = ("the address or a credential is not fit for HTTP", "Mend the address or the credential.")


FAULTS: Final[Mapping[type[BaseException], Fault]] = {
    rx.RequestException: Fault.BROKEN,
    rx.HTTPError: Fault.BROKEN,
    rx.ConnectionError: Fault.BROKEN,
    rx.ProxyError: Fault.UNSENT,
    rx.SSLError: Fault.TLS,
    rx.Timeout: Fault.TIMEOUT,
    rx.ConnectTimeout: Fault.UNSENT,
    rx.ReadTimeout: Fault.TIMEOUT,
    rx.URLRequired: Fault.SETTINGS,
    rx.TooManyRedirects: Fault.GARBLED,
    rx.MissingSchema: Fault.SETTINGS,
    rx.InvalidSchema: Fault.SETTINGS,
    rx.InvalidURL: Fault.SETTINGS,
    rx.InvalidHeader: Fault.SETTINGS,
    rx.InvalidProxyURL: Fault.SETTINGS,
    rx.InvalidJSONError: Fault.GARBLED,
    rx.JSONDecodeError: Fault.GARBLED,
    rx.ChunkedEncodingError: Fault.BROKEN,
    rx.ContentDecodingError: Fault.GARBLED,
    rx.StreamConsumedError: Fault.BROKEN,
    rx.RetryError: Fault.BROKEN,
    rx.UnrewindableBodyError: Fault.BROKEN,
    ux.HTTPError: Fault.BROKEN,
    ux.PoolError: Fault.UNSENT,
    ux.RequestError: Fault.BROKEN,
    ux.SSLError: Fault.TLS,
    ux.ProxyError: Fault.UNSENT,
    ux.DecodeError: Fault.GARBLED,
    ux.ProtocolError: Fault.BROKEN,
    ux.MaxRetryError: Fault.BROKEN,
    ux.HostChangedError: Fault.UNSENT,
    ux.TimeoutStateError: Fault.UNSENT,
    ux.TimeoutError: Fault.TIMEOUT,
    ux.ReadTimeoutError: Fault.TIMEOUT,
    ux.ConnectTimeoutError: Fault.UNSENT,
    ux.NewConnectionError: Fault.UNSENT,
    ux.NameResolutionError: Fault.UNSENT,
    ux.EmptyPoolError: Fault.UNSENT,
    ux.FullPoolError: Fault.UNSENT,
    ux.ClosedPoolError: Fault.UNSENT,
    ux.LocationValueError: Fault.SETTINGS,
    ux.LocationParseError: Fault.SETTINGS,
    ux.URLSchemeUnknown: Fault.SETTINGS,
    ux.ResponseError: Fault.BROKEN,
    ux.ResponseNotChunked: Fault.GARBLED,
    ux.BodyNotHttplibCompatible: Fault.GARBLED,
    ux.IncompleteRead: Fault.BROKEN,
    ux.InvalidChunkLength: Fault.GARBLED,
    ux.InvalidHeader: Fault.GARBLED,
    ux.ProxySchemeUnknown: Fault.SETTINGS,
    ux.ProxySchemeUnsupported: Fault.SETTINGS,
    ux.HeaderParsingError: Fault.GARBLED,
    ux.UnrewindableBodyError: Fault.BROKEN,
    http.client.HTTPException: Fault.BROKEN,
    TimeoutError: Fault.TIMEOUT,
    OSError: Fault.BROKEN,
    ValueError: Fault.SETTINGS,
}

_REFUSALS: Final[Mapping[Meaning, type[PeerError]]] = {
    Meaning.DENIED: AccessDenied,
    Meaning.CONFLICT: Conflict,
    Meaning.TOO_LARGE: TooLarge,
}


def failure(method: str, peer: str, error: Exception, is_safe: bool) -> IndexerError:
    """Translate an exception of requests, urllib3 or the standard library; a safe request may be sent twice."""
    root = _root(error)
    fault = next(FAULTS[cls] for cls in type(root).__mro__ if cls in FAULTS)
    text, hint = fault.value
    message = f"{method} to {peer}: {text}"
    if fault is Fault.SETTINGS:
        return ConfigError([message], hint=hint)
    if fault is Fault.UNSENT or (is_safe and fault is not Fault.GARBLED):
        return Unavailable(message, peer=peer, hint=hint)
    kind = ProtocolViolation if is_safe else AnswerLost
    return kind(message, peer=peer, hint=hint)


def _root(error: BaseException) -> BaseException:
    """What lies under the wrappers of requests and urllib3."""
    inner: object = error
    while isinstance(inner, BaseException):
        error = inner
        if isinstance(error, ux.MaxRetryError):
            inner = error.reason
        else:
            inner = error.args[0] if isinstance(error, rx.RequestException) and error.args else None
    return error


def is_dropped(error: BaseException) -> bool:
    """Whether the server closed the connection before it answered a byte."""
    root = _root(error)
    return isinstance(root, ux.ProtocolError) and any(isinstance(arg, ConnectionError) for arg in root.args)


def refusal(method: str, response: Response, is_safe: bool) -> PeerError:
    """Translate a status that is no success."""
    status, peer = response.status, response.peer
    text = f"{method} to {peer}: status {status}"
    reason = meaning(status)
    if reason is Meaning.LATER:
        # A gateway that gave up waiting says nothing about the server behind it.
        kind = AnswerLost if status in (502, 504) and not is_safe else Unavailable
        return kind(text, peer=peer, status=status, retry_after_s=_retry_after_s(response.headers))
    if reason is Meaning.ELSEWHERE:
        hint = "Redirects are never followed: set the address that the server redirects to."
        return ProtocolViolation(text, peer=peer, status=status, hint=hint)
    if reason is Meaning.REFUSED:
        return Refused(text, peer=peer, status=status, outcome=_outcome(response))
    return _REFUSALS[reason](text, peer=peer, status=status)


def _outcome(response: Response) -> dict[str, object] | None:
    try:
        body = response.json()
    except ProtocolViolation:
        return None
    return body if isinstance(body, dict) and body.get("resourceType") == "OperationOutcome" else None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait (RFC 9110, section 10.2.3), kept within 1 s and 600 s; None if unsaid or unreadable."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        wait_s = float(value[:9])
    else:
        until = _timestamp(value)
        if until is None:
            return None
        # The server's own clock, where it tells it: ours may differ.
        now = _timestamp(headers.get("Date", ""))
        wait_s = until - (time.time() if now is None else now)
    return min(max(wait_s, _MIN_RETRY_AFTER_S), _MAX_RETRY_AFTER_S)


def _timestamp(text: str) -> float | None:
    """Seconds since the epoch of an HTTP date; None if it is none."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
