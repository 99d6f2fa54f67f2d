"""``ledger``: back up the state, print the site key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from indexer.cli.console import OUTPUT
from indexer.cli.options import Installation, of_installation

app = typer.Typer(help="The ledger: back it up, show the site key.", no_args_is_help=True)


@app.command()
@of_installation
def backup(
    installation: Installation,
    file: Annotated[Path, typer.Argument(help="A file that does not exist yet.")],
) -> None:
    """Write a consistent copy of an SQLite ledger, even while the daemon runs."""
    installation.servers().ledger.backup(file)
    OUTPUT.print(f"The ledger was copied to {file}. It contains the site key: keep it as safe as the ledger itself.")


@app.command("site-key")
@of_installation
def site_key(installation: Installation) -> None:
    """Print the secret that Patient ids are made with (64 hexadecimal digits); keep it apart from the ledger."""
    OUTPUT.print(installation.servers().ledger.site_key().hex())
