"""The commands as they are typed; what each one does stands in the module that it imports."""

from __future__ import annotations

from typing import Annotated

import typer

from indexer.cli.options import Installation, of_installation

app = typer.Typer()

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@app.command()
@of_installation
def run(installation: Installation) -> None:
    """Follow the sources and publish what changes, until SIGTERM or SIGINT.

    The first signal ends it within 10 seconds, the second at once; nothing is lost either way.
    """
    from indexer.cli.run import run

    run(installation.site())


@app.command()
@of_installation
def backfill(
    installation: Installation,
    since: Annotated[str | None, typer.Option(help="First StudyDate, YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option(help="Last StudyDate, YYYY-MM-DD.")] = None,
    modality: Annotated[list[str] | None, typer.Option(help="Only studies with a series of it; repeatable.")] = None,
    study: Annotated[list[str] | None, typer.Option(help="Only this StudyInstanceUID; repeatable.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Send even what is unchanged.")] = False,
    rate: Annotated[float | None, typer.Option(min=0.01, help="At most so many studies per second.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")] = False,
) -> int:
    """Index every study that is already there; a call that was cut short goes on where it was.

    Beside a running daemon this marks the studies and shows the daemon's progress; alone it drains them itself.
    """
    from indexer.cli.backfill import backfill, selected
    from indexer.cli.preview import preview

    site = installation.site()
    selection = selected(site, since, until, modality or (), study or (), force=force)
    return preview(site, selection) if dry_run else backfill(site, selection, rate)


@app.command()
@of_installation
def status(installation: Installation, as_json: JsonOption = False) -> int:
    """Say per source what is reachable, how far the feed is read, and what is dirty, published or quarantined."""
    from indexer.cli.status import status

    return status(installation.servers(), as_json=as_json)


@app.command()
@of_installation
def show(
    installation: Installation,
    study_instance_uid: Annotated[str, typer.Argument(metavar="UID", help="StudyInstanceUID.")],
    resource: Annotated[bool, typer.Option("--resource", help="Print what would be sent, as JSON.")] = False,
) -> int:
    """Show what the source, the ledger and the FHIR server say of one study, and where they differ."""
    from indexer.cli.show import show

    return show(installation.site(), study_instance_uid, resource=resource)


@app.command()
@of_installation
def verify(installation: Installation, as_json: JsonOption = False) -> int:
    """Compare whole sources with the FHIR server: studies, series, instances, counts, subjects, endpoints.

    Exit 0 only if all is equal, except for studies in quarantine or not yet settled, which are listed apart.
    """
    from indexer.cli.verify import verify

    return verify(installation.site(), as_json=as_json)
