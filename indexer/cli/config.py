"""``config``: check it, or see what can be set."""

from __future__ import annotations

import json

import typer

from indexer import config as configuration
from indexer.cli.options import OUTPUT, ConfigOption, load

app = typer.Typer(help="The configuration file: check, schema, example.", no_args_is_help=True)


@app.command()
def check(config: ConfigOption = None) -> None:
    """Read the file and name every mistake at once, by line."""
    loaded = load(config, None, None, None)
    for warning in loaded.warnings:
        OUTPUT.print(f"warning: {warning}", markup=False)
    names = ", ".join(source.name for source in loaded.config.sources)
    OUTPUT.print(
        f"Good: sources {names}; target {loaded.config.target.fhir}; ledger {loaded.config.ledger_shown}", markup=False
    )


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    OUTPUT.print_json(json.dumps(configuration.json_schema()))


@app.command()
def example() -> None:
    """Print a commented example with every key."""
    OUTPUT.print(configuration.example(), end="", markup=False)
