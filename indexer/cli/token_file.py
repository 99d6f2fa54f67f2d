"""A bearer token that is renewed while the program runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from indexer.config import read_secret
from indexer.errors import ConfigError
from indexer.log import Event

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


class TokenFile:
    """The token in a file, read anew for each request; the last good one while the file cannot be used.

    Whoever renews the file may empty, remove or half write it for a moment.

    Parameters
    ----------
    token
        What the file held when the configuration was read.
    """

    def __init__(self, path: Path, token: str) -> None:
        self._path = path
        self._token = token
        self._is_good = True

    def read(self) -> str:
        """The token to send; a file that cannot be used is logged once, until it can be used again."""
        try:
            self._token = read_secret(self._path).get_secret_value()
        except ConfigError:
            if self._is_good:
                facts = {"event": Event.TOKEN_UNREADABLE}
                _log.warning("a bearer_file cannot be read now; its last token is used until it can", extra=facts)
            self._is_good = False
        else:
            self._is_good = True
        return self._token
