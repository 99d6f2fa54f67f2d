"""``ledger``: care for the state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from indexer.cli.options import OUTPUT, ConfigOption, FhirOption, LedgerOption, OrthancOption, open_site

app = typer.Typer(help="The ledger: back it up, show the site key.", no_args_is_help=True)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A file that does not exist yet.")],
    config: ConfigOption = None,
    orthanc: OrthancOption = None,
    fhir: FhirOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Write a consistent copy of an SQLite ledger, also while the daemon runs."""
    open_site(config, orthanc, fhir, ledger).ledger.backup(file)
    OUTPUT.print(f"The ledger was copied to {file}; it holds the site key, keep it as safe as the ledger itself.")


@app.command("site-key")
def site_key(
    config: ConfigOption = None,
    orthanc: OrthancOption = None,
    fhir: FhirOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Print the secret behind the Patient ids, to be kept apart from the ledger (64 hexadecimal digits)."""
    OUTPUT.print(open_site(config, orthanc, fhir, ledger).ledger.site_key().hex())
