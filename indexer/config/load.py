"""A file, or two addresses from the command line → a checked configuration."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from indexer.config import document, mistakes, secrets, variables
from indexer.config.document import Document, KeyPath, Problem
from indexer.config.model import Access, Config
from indexer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OPTIONS = {"orthanc": "--orthanc", "fhir": "--fhir", "ledger": "--ledger"}


@dataclass(frozen=True)
class Loaded:
    """A checked configuration, secrets filled in, and what is doubtful about it: ``file:line: key: text``."""

    config: Config
    warnings: tuple[str, ...]


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read and check a configuration file; the environment is for ``${NAME}`` and ``$CREDENTIALS_DIRECTORY``.

    Raises
    ------
    ConfigError
        With every mistake at once, each as ``file:line: key: what is expected``.
    """
    parsed = document.parse(_content(path))
    problems = list(parsed.problems)
    if parsed.value is None:
        empty = Problem((), "the file is empty; 'dicom-fhir-indexer config example' prints a full one", 1)
        raise _error(path, parsed, problems or [empty])
    tree = variables.resolve(parsed.value, environ, problems)
    inline = list(secrets.inline(tree))
    secrets.fill_in(tree, path.absolute().parent, environ, problems)
    config = _validated(tree, problems)
    if config is None or problems:
        raise _error(path, parsed, problems)
    warnings = [*_inline_warnings(path, inline), *_other_warnings(config)]
    return Loaded(config, tuple(mistakes.line(str(path), parsed, warning) for warning in warnings))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(document.MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "error").lower()
        hint = "Name another file with --config, or try without a file: --orthanc URL --fhir URL."
        raise ConfigError([f"{path}: the file cannot be read: {reason}"], hint=hint) from error
    if len(content) > document.MAX_BYTES:
        raise ConfigError([f"{path}: expected a file of at most 1 MiB"])
    return content


def _validated(tree: Any, problems: list[Problem]) -> Config | None:
    if not isinstance(tree, dict):
        problems.append(Problem((), "expected keys with values, such as 'ledger: ...', one per line"))
        return None
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        # A value that was reported already (a variable that is not set, a key that stands twice) is not reported again.
        known = {problem.path for problem in problems}
        problems += [problem for problem in mistakes.problems_of(error) if problem.path not in known]
        return None


def _error(path: Path, parsed: Document, problems: list[Problem]) -> ConfigError:
    lines = {mistakes.line(str(path), parsed, problem): problem for problem in problems}
    in_order = sorted(lines, key=lambda text: lines[text].line or parsed.line_of(lines[text].path) or 0)
    return ConfigError(in_order)


def _inline_warnings(path: Path, inline: list[KeyPath]) -> Iterator[Problem]:
    for key in inline:
        yield Problem(key, "a secret is written out here; better use a *_file key or ${NAME}")
    if inline and secrets.readable_by_all(path):
        yield Problem(inline[0], "every user of this machine can read the secret in this file; chmod 640 it")


def _other_warnings(config: Config) -> Iterator[Problem]:
    for index, source in enumerate(config.sources):
        yield from _access_warnings(("sources", index), "orthanc", source, source.orthanc)
        if not source.dicomweb and _is_local(source.orthanc) and not _is_local(config.target.fhir):
            text = "Endpoint.address will name this machine as localhost; set dicomweb to the public address"
            yield Problem(("sources", index, "orthanc"), text)
    yield from _access_warnings(("target",), "fhir", config.target, config.target.fhir)


def _access_warnings(path: KeyPath, key: str, access: Access, address: str) -> Iterator[Problem]:
    if (access.password or access.bearer) and address.startswith("http:") and not _is_local(address):
        yield Problem((*path, key), "the password or token goes over the network unencrypted; use https")
    for name, file in (("password_file", access.password_file), ("bearer_file", access.bearer_file)):
        if file and secrets.readable_by_all(file):
            yield Problem((*path, name), "every user of this machine can read that file")


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def from_urls(orthanc: str, fhir: str, ledger: Path | None, *, environ: Mapping[str, str] = os.environ) -> Config:
    """Build a configuration for a first try without a file.

    Without a file for the ledger it is ``ledger.db`` in the user's state folder (XDG Base Directory Specification 0.8).

    Raises
    ------
    ConfigError
        An address is wrong; the option to mend is named.
    """
    file = (ledger or _state_folder(environ) / "ledger.db").absolute()
    tree = {
        "sources": [{"name": "main", "orthanc": orthanc}],
        "target": {"fhir": fhir},
        "ledger": f"sqlite:///{file}",
    }
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        problems = mistakes.problems_of(error)
        hint = "See --help for the form of these options."
        lines = [f"{_OPTIONS.get(str(problem.path[-1]), '')}: {problem.expected}" for problem in problems]
        raise ConfigError(lines, hint=hint) from None


def _state_folder(environ: Mapping[str, str]) -> Path:
    # The specification says that a relative path there is to be ignored.
    state = Path(environ.get("XDG_STATE_HOME", ""))
    home = Path(environ.get("HOME") or Path.home())
    return (state if state.is_absolute() else home / ".local" / "state") / "dicom-fhir-indexer"
