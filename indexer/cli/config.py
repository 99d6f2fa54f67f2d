"""``config``: check the configuration file, or print its schema or an example."""

from __future__ import annotations

import typer

from indexer.cli.console import OUTPUT
from indexer.cli.options import ConfigOption, Installation

app = typer.Typer(help="The configuration file: check, schema, example.", no_args_is_help=True)


@app.command()
def check(config: ConfigOption = None) -> None:
    """Read the file and report all mistakes at once, with their lines."""
    loaded = Installation(config).load()
    for warning in loaded.warnings:
        OUTPUT.print(f"warning: {warning}")
    names = ", ".join(source.name for source in loaded.config.sources)
    OUTPUT.print(f"Good: sources {names}; target {loaded.config.target.fhir}; ledger {loaded.config.ledger_shown}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    from indexer import config

    OUTPUT.print_document(config.json_schema())


@app.command()
def example() -> None:
    """Print a commented example with every key."""
    from indexer import config

    typer.echo(config.example(), nl=False)
