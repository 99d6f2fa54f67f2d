"""The command line: reads the options, builds the objects, turns errors into messages and exit codes.

`commands` and the modules of the sub-commands (`config`, `ledger`, `quarantine`) declare the commands. At the top they
import only typer, `options` and `errors`; each command imports what it needs when it runs, so that ``--help`` and
``status`` start quickly.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from indexer import __version__, log
from indexer.cli import commands, config, ledger, quarantine
from indexer.cli.console import OUTPUT, tell
from indexer.cli.options import EXIT_CODES
from indexer.errors import ConfigError, IndexerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)


def print_version(is_wanted: bool) -> None:
    """Print the version and exit, if that is what was asked for."""
    if is_wanted:
        OUTPUT.print(f"dicom-fhir-indexer {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=print_version, help="Print the version.")
]

app = typer.Typer(
    name="dicom-fhir-indexer",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def program(_version: VersionOption = False) -> None:
    """Keeps a FHIR server's ImagingStudy index in sync with one or more Orthanc PACS."""


app.add_typer(commands.app)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(config.app, name="config")
app.add_typer(ledger.app, name="ledger")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (sysexits; see ``--help``)."""
    try:
        code: object = app(arguments, standalone_mode=False)
    except typer.Exit as end:
        return end.exit_code
    except typer.Abort:
        return 130
    except typer.TyperException as error:
        tell(error.format_message(), UsageError.default_hint)
        return UsageError.exit_code
    except ConfigError as error:
        tell(*error.problems, error.hint)
        return error.exit_code
    except IndexerError as error:
        tell(error.message, error.hint)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last word: no traceback with patient data reaches the terminal
        _log.critical("the program failed", exc_info=error)
        tell(f"The program failed ({type(error).__name__}). Please report this with the log lines above.")
        return 70
    finally:
        log.flush()
    return code if isinstance(code, int) else 0
