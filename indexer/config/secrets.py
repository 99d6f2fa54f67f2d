"""Files that the configuration names: secrets, keys and certificates.

A path is taken from the folder of the configuration file. A bare name is a systemd credential
(``LoadCredential=name:/path`` in the unit), found in ``$CREDENTIALS_DIRECTORY``.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from indexer.config.document import KeyPath, Problem
from indexer.config.model import Config
from indexer.config.variables import FromEnvironment
from indexer.errors import ConfigError
from indexer.model import ledger_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_BYTES = 65_536
# Docker mounts secrets there with mode 0444; nobody else's program runs in that container.
_CONTAINER_SECRETS = "/run/secrets"
_SECRETS = ("password", "bearer", "ledger_password", "site_key")


def read_secret(path: Path) -> SecretStr:
    """Read a secret anew, for example a token that is renewed while we run.

    Raises
    ------
    ConfigError
        The file cannot be read, is empty, or is no text.
    """
    try:
        return SecretStr(_text_of(path))
    except _UnreadableError as error:
        raise ConfigError([f"{path}: {error}"]) from error


class _UnreadableError(Exception):
    """A file cannot be used; the text says why and quotes nothing of it."""


def _text_of(path: Path) -> str:
    try:
        text = _bytes_of(path).decode("utf-8").strip("\r\n")
    except UnicodeDecodeError:
        raise _UnreadableError("expected a file with text in UTF-8") from None
    if not text.strip() or "\n" in text or "\0" in text:
        raise _UnreadableError("expected a file with one line of text")
    return text


def _bytes_of(path: Path) -> bytes:
    reason = "there is no such file"
    try:
        if path.is_file():
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
            if len(content) > _MAX_BYTES:
                raise _UnreadableError(f"expected a file of at most {_MAX_BYTES // 1024} KiB")
            return content
    except OSError as error:
        reason = (error.strerror or "error").lower()
    raise _UnreadableError(f"expected a file that this user can read: {reason}")


def _groups(tree: Any) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Yield each group of keys that may name files: the top, the sources, the target."""
    if not isinstance(tree, dict):
        return
    sources = tree.get("sources")
    inner = [(("sources", index), source) for index, source in enumerate(sources if isinstance(sources, list) else [])]
    groups: list[tuple[KeyPath, Any]] = [((), tree), *inner, (("target",), tree.get("target"))]
    yield from ((path, group) for path, group in groups if isinstance(group, dict))


def fill_in(tree: Any, folder: Path, environ: Mapping[str, str], problems: list[Problem]) -> None:
    """Make paths absolute, from the file's folder, and put the text of secret files beside their keys, in place.

    The problems get one for each file that cannot be used, and for credentials that do not fit together.
    """
    known = {problem.path for problem in problems}
    for path, group in _groups(tree):
        problems += [Problem((*path, key), expected) for key, expected in _misfits(group, is_access=bool(path))]
        for key in [key for key in Config.at(path).fields() if key.endswith("_file") and key in group]:
            value = group[key]
            if (*path, key) in known or not isinstance(value, str) or not value.strip() or "\0" in value:
                continue  # said already, or the model says what is expected
            try:
                group[key] = file = _located(value, folder, environ)
                name = key.removesuffix("_file")
                if name in _SECRETS:
                    group.setdefault(name, SecretStr(_text_of(file)))
                else:
                    _bytes_of(file)
            except _UnreadableError as error:
                problems.append(Problem((*path, key), str(error)))


def _located(value: str, folder: Path, environ: Mapping[str, str]) -> Path:
    if "/" in value:
        return folder / value
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    if not credentials:
        raise _UnreadableError("expected a path with '/'; a bare name is a systemd credential, and there are none here")
    return Path(credentials) / value


def _misfits(group: dict[str, Any], *, is_access: bool) -> Iterator[tuple[str, str]]:
    """Yield keys that do not go together, each with what is expected there."""
    for name in _SECRETS:
        if name in group and f"{name}_file" in group:
            yield f"{name}_file", f"expected only one of {name} and {name}_file"
    password = "password" if "password" in group else "password_file"
    bearer = "bearer" if "bearer" in group else "bearer_file"
    if is_access and "username" in group and password not in group:
        yield "username", "expected a password or password_file beside it"
    if is_access and password in group and "username" not in group:
        yield password, "expected a username beside it"
    if bearer in group and "username" in group:
        yield bearer, "expected either username and password or a bearer token"


def inline(tree: Any) -> Iterator[KeyPath]:
    """Yield the keys of secrets that are written out in the file; asked before `fill_in`."""
    for path, group in _groups(tree):
        for name in (*_SECRETS, "ledger"):
            value = group.get(name)
            if not isinstance(value, str) or isinstance(value, FromEnvironment):
                continue
            if name != "ledger" or ledger_url.has_password(value):
                yield (*path, name)


def readable_by_all(path: Path) -> bool:
    """Tell whether every user of the machine may read a file."""
    if path.is_relative_to(_CONTAINER_SECRETS):
        return False
    try:
        return bool(os.stat(path).st_mode & stat.S_IROTH)
    except OSError:
        return False
