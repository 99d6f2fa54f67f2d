"""The commands and their options; each imports the module that carries it out."""

from __future__ import annotations

from typing import Annotated

import typer

from indexer.cli.options import Installation, of_installation

app = typer.Typer()

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command()
@of_installation
def run(installation: Installation) -> None:
    """Follow the sources and publish what changes, until SIGTERM or SIGINT.

    The first signal ends it within 10 seconds, the second at once; nothing is lost either way.
    """
    from indexer.cli.run import run

    run(installation.site(outlasts_refusals=True))


@app.command()
@of_installation
def backfill(
    installation: Installation,
    since: Annotated[str | None, typer.Option(help="First StudyDate, YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option(help="Last StudyDate, YYYY-MM-DD.")] = None,
    modality: Annotated[list[str] | None, typer.Option(help="Only studies with such a series; repeatable.")] = None,
    study: Annotated[list[str] | None, typer.Option(help="Only this StudyInstanceUID; repeatable.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Send even what is unchanged.")] = False,
    rate: Annotated[float | None, typer.Option(min=0.01, help="At most so many studies per second.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written; write nothing.")] = False,
) -> int:
    """Publish every study that is already in the sources; a call that was cut short resumes where it stopped.

    While the daemon runs, this marks the studies and shows the daemon's progress; otherwise it publishes them itself.
    """
    from indexer.cli.backfill import backfill, selected
    from indexer.cli.preview import preview

    site = installation.site()
    selection = selected(site, since, until, modality or (), study or (), force=force)
    return preview(site, selection) if dry_run else backfill(site, selection, rate)


@app.command()
@of_installation
def status(installation: Installation, as_json: JsonOption = False) -> int:
    """Show whether each server is reachable, how far feeds are read, and what is dirty, published or quarantined."""
    from indexer.cli.status import status

    return status(installation.servers(), as_json=as_json)


@app.command()
@of_installation
def show(
    installation: Installation,
    study_instance_uid: Annotated[str, typer.Argument(metavar="UID", help="StudyInstanceUID.")],
    resource: Annotated[bool, typer.Option("--resource", help="Print what would be sent, as JSON.")] = False,
) -> int:
    """Show what the source, the ledger and the FHIR server have for one study, and how they differ."""
    from indexer.cli.show import show

    return show(installation.site(), study_instance_uid, resource=resource)


@app.command()
@of_installation
def verify(installation: Installation, as_json: JsonOption = False) -> int:
    """Compare whole sources with the FHIR server: studies, series, instances, counts, subjects, endpoints.

    Exits with 0 only if all are equal; studies in quarantine or not yet settled are listed apart and do not count.
    """
    from indexer.cli.verify import verify

    return verify(installation.site(), as_json=as_json)
