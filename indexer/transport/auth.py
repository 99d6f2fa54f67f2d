"""Who we are to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from requests.auth import AuthBase, HTTPBasicAuth

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests


Auth = AuthBase
"""What a `Transport` takes as credentials."""


class _Bearer(AuthBase):
    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token()}"
        return request


def basic(username: str, password: str) -> Auth:
    """HTTP Basic with UTF-8 (RFC 7617, section 2.1)."""
    return HTTPBasicAuth(username.encode(), password.encode())


def bearer(token: Callable[[], str]) -> Auth:
    """A bearer token (RFC 6750, section 2.1), asked for anew at each request."""
    return _Bearer(token)
