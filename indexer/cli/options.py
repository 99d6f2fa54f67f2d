"""Options that all commands share, and what they open."""

from __future__ import annotations

import inspect
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, TypeVar

import typer
from rich.console import Console

from indexer import config, log
from indexer.cli.compose import Site
from indexer.errors import UsageError
from indexer.log import Event

if TYPE_CHECKING:
    from collections.abc import Callable

OUTPUT = Console(soft_wrap=True, highlight=False, markup=False)
ERRORS = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

EXIT_CODES = (
    "Exit codes: 0 done; 1 some studies are in quarantine or differ; 64 wrong use; 69 a server is out of reach; "
    "75 try again later; 78 wrong configuration."
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", envvar=config.PATH_VARIABLE, help=f"Configuration file; default {config.DEFAULT_PATH}."),
]
OrthancOption = Annotated[str | None, typer.Option("--orthanc", help="Orthanc's REST address, for a try without file.")]
FhirOption = Annotated[str | None, typer.Option("--fhir", help="FHIR base address, for a try without file.")]
LedgerOption = Annotated[Path | None, typer.Option("--ledger", help="Ledger file, for a try without file.")]

R = TypeVar("R")

_log = logging.getLogger(__name__)


def of_site(command: Callable[Concatenate[Site, ...], R]) -> Callable[..., R]:
    """A command whose first parameter is a site: on the command line stand the options that say which one."""

    def called(
        config: ConfigOption = None,
        orthanc: OrthancOption = None,
        fhir: FhirOption = None,
        ledger: LedgerOption = None,
        **own: Any,
    ) -> R:
        return command(open_site(config, orthanc, fhir, ledger), **own)

    shared = list(inspect.signature(called, eval_str=True).parameters.values())[:-1]
    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    by_keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*shared, *own)]
    called.__name__, called.__doc__, called.__annotations__ = command.__name__, command.__doc__, {}
    vars(called)["__signature__"] = inspect.Signature(by_keyword)
    return called


def open_site(path: Path | None, orthanc: str | None, fhir: str | None, ledger: Path | None) -> Site:
    """The site that the options speak of: a file, or two addresses.

    Raises
    ------
    UsageError
        If the options contradict each other.
    ConfigError
        If the configuration is wrong.
    """
    loaded = load(path, orthanc, fhir, ledger)
    log.configure(loaded.config.log.format, loaded.config.log.level)
    for warning in loaded.warnings:
        _log.warning("the configuration is doubtful", extra={"event": Event.CONFIG_WARNING, "problem": warning})
    return Site(loaded.config)


def load(path: Path | None, orthanc: str | None, fhir: str | None, ledger: Path | None) -> config.Loaded:
    """Read the configuration that the options speak of."""
    if orthanc or fhir:
        if not (orthanc and fhir):
            raise UsageError("--orthanc and --fhir go together")
        return config.Loaded(config=config.from_urls(orthanc, fhir, ledger), warnings=())
    if ledger:
        raise UsageError("--ledger goes with --orthanc and --fhir; with a file, set 'ledger' in it")
    return config.load(path or config.DEFAULT_PATH, os.environ)
