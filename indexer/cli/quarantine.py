"""``quarantine``: studies that cannot be published."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from indexer.cli.console import OUTPUT
from indexer.cli.options import Installation, of_installation
from indexer.errors import UsageError

app = typer.Typer(help="Studies that cannot be published: list, show, resolve, replay.", no_args_is_help=True)


@app.command("list")
@of_installation
def list_(installation: Installation) -> None:
    """List them with their cause, oldest first."""
    from indexer.schedule import epoch_text

    rows = installation.servers().ledger.quarantine()
    for row in rows:
        OUTPUT.print(f"{row.study_instance_uid}  {epoch_text(row.since)}  {row.cause}: {row.text}")
    OUTPUT.print(f"{len(rows)} in quarantine.")


@app.command()
@of_installation
def show(
    installation: Installation,
    study_instance_uid: Annotated[str, typer.Argument(metavar="UID")],
) -> None:
    """Show why one of them cannot be published, and what to do."""
    from indexer.schedule import epoch_text

    study = installation.servers().ledger.study(study_instance_uid)
    if study is None or study.quarantine is None:
        raise UsageError("this study is not in quarantine")
    row = study.quarantine
    for line in (f"since {epoch_text(row.since)}", f"cause {row.cause}", row.text, row.hint):
        OUTPUT.print(line)
    for location in row.locations:
        OUTPUT.print(f"in {location.source} as {location.location_id}")


@app.command()
@of_installation
def resolve(
    installation: Installation,
    study_instance_uid: Annotated[str, typer.Argument(metavar="UID")],
    patient: Annotated[str, typer.Option("--patient", metavar="ID", help="Id of the Patient on the FHIR server.")],
) -> None:
    """Decide which Patient the patient number of a study means, and mark the study dirty again."""
    from indexer.cli.resolve import resolve

    resolve(installation.site(), study_instance_uid, patient)


@app.command()
@of_installation
def replay(
    installation: Installation,
    study_instance_uid: Annotated[
        list[str] | None, typer.Argument(metavar="[UID]...", help="All if none is given.")
    ] = None,
) -> None:
    """Mark them dirty again; the daemon or the next backfill publishes them if the cause is gone."""
    servers = installation.servers()
    sources = [source.name for source in servers.config.sources]
    count = servers.ledger.replay(study_instance_uid or (), time.time(), sources=sources)
    OUTPUT.print(f"{count} studies will be tried again.")
