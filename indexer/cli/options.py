"""Options that all commands share, and the installation that they select."""

from __future__ import annotations

import inspect
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, TypeVar

import typer

from indexer import log
from indexer.errors import UsageError
from indexer.log import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from indexer.cli.compose import Site
    from indexer.cli.servers import Servers
    from indexer.config import Config, Loaded


EXIT_CODES = (
    "Exit codes: 0 done; 1 some studies are in quarantine or differ; 64 wrong use; 69 a server is out of reach; "
    "75 try again later; 78 wrong configuration."
)

DEFAULT_FILE = Path("/etc/dicom-fhir-indexer/config.yaml")
FILE_VARIABLE = "DICOM_FHIR_INDEXER_CONFIG"

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", envvar=FILE_VARIABLE, help=f"Configuration file; default {DEFAULT_FILE}."),
]
OrthancOption = Annotated[
    str | None, typer.Option("--orthanc", help="Orthanc's REST address, to try it without a file.")
]
FhirOption = Annotated[str | None, typer.Option("--fhir", help="FHIR base address, to try it without a file.")]
LedgerOption = Annotated[Path | None, typer.Option("--ledger", help="Ledger file, to try it without a file.")]

R = TypeVar("R")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Installation:
    """What a command works on: a configuration file, or two addresses to try it without one."""

    file: Path | None = None
    orthanc: str | None = None
    fhir: str | None = None
    ledger: Path | None = None

    def load(self) -> Loaded:
        """Read and check the configuration; raises `UsageError` if the options do not go together."""
        from indexer import config

        if self.orthanc and self.fhir:
            return config.Loaded(config=config.from_urls(self.orthanc, self.fhir, self.ledger), warnings=())
        if self.orthanc or self.fhir:
            raise UsageError("--orthanc and --fhir go together")
        if self.ledger:
            raise UsageError("--ledger goes with --orthanc and --fhir; with a file, set 'ledger' in it")
        return config.load(self.file or DEFAULT_FILE, os.environ)

    def servers(self) -> Servers:
        """The ledger and the servers, for commands that need no more."""
        from indexer.cli.servers import Servers

        return Servers(self._configured())

    def site(self, *, outlasts_refusals: bool = False) -> Site:
        """Everything, for commands that read studies or drain."""
        from indexer.cli.compose import Site

        return Site(self._configured(), outlasts_refusals=outlasts_refusals)

    def _configured(self) -> Config:
        """The configuration, after setting up logging by it."""
        loaded = self.load()
        log.configure(loaded.config.log.format, loaded.config.log.level)
        for warning in loaded.warnings:
            _log.warning("the configuration is doubtful", extra={"event": Event.CONFIG_WARNING, "problem": warning})
        return loaded.config


def of_installation(command: Callable[Concatenate[Installation, ...], R]) -> Callable[..., R]:
    """Turn the first parameter of a command, an `Installation`, into the options that select it."""

    def called(
        config: ConfigOption = None,
        orthanc: OrthancOption = None,
        fhir: FhirOption = None,
        ledger: LedgerOption = None,
        **own: Any,
    ) -> R:
        return command(Installation(config, orthanc, fhir, ledger), **own)

    shared = list(inspect.signature(called, eval_str=True).parameters.values())[:-1]
    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    by_keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*shared, *own)]
    called.__name__, called.__doc__, called.__annotations__ = command.__name__, command.__doc__, {}
    vars(called)["__signature__"] = inspect.Signature(by_keyword)
    return called
