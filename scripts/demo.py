"""The main job on real servers, for the eye: ``make demo``; ``KEEP=1 make demo`` leaves the servers running."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from rich.console import Console
from rich.table import Table

from tests.samples import demo_studies, late_study, store_dimse
from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc

if TYPE_CHECKING:
    from collections.abc import Iterator

SAY = Console(highlight=False, soft_wrap=True, width=max(Console().width, 160))
PATIENCE_S = 60.0


def main() -> int:
    """Run the demo; the exit code of ``verify``."""
    keep = os.environ.get("KEEP") == "1"
    home = Path(tempfile.mkdtemp(prefix="indexer-demo-"))
    with contextlib.ExitStack() as stack:
        step("Starting Orthanc and HAPI FHIR (the first time this downloads and builds HAPI)")
        orthanc = Orthanc("1.12", stable_age_s=2, outlives_parent=keep)
        hapi = Hapi("r4", outlives_parent=keep)
        if not keep:
            stack.callback(shutil.rmtree, home)
            stack.callback(orthanc.close)
            stack.callback(hapi.close)
        orthanc.start()
        hapi.start()
        config = configured(home, orthanc, hapi)
        began = time.monotonic()
        code = show(orthanc, hapi, config)
        SAY.print(f"\nThe demo itself took {time.monotonic() - began:.0f} s.")
        if keep:
            SAY.print(f"\nLeft running (KEEP=1):\n  Orthanc  {orthanc.url} (process {orthanc.pid})")
            SAY.print(f"  FHIR     {hapi.url} (process {hapi.pid})\n  config   {config}")
        return code


def show(orthanc: Orthanc, hapi: Hapi, config: Path) -> int:
    """The four acts."""
    datasets = demo_studies()
    studies = {dataset.StudyInstanceUID for dataset in datasets}
    modalities = {dataset.Modality for dataset in datasets}
    step(f"Storing {len(studies)} studies of {len(modalities)} modalities ({len(datasets)} instances) over DIMSE")
    store_dimse(orthanc, datasets)

    step("dicom-fhir-indexer backfill")
    indexer(config, "backfill")
    print_studies(hapi)

    step("dicom-fhir-indexer run, and one more study arrives")
    with daemon(config):
        late = late_study()
        store_dimse(orthanc, late)
        arrived = time.monotonic()
        wait_for_study(hapi, str(late[0].StudyInstanceUID))
        SAY.print(f"It was in the index {time.monotonic() - arrived:.1f} s after its last instance.")

    step("dicom-fhir-indexer verify")
    return indexer(config, "verify").returncode


def configured(home: Path, orthanc: Orthanc, hapi: Hapi) -> Path:
    """A configuration file for the two servers."""
    path = home / "config.yaml"
    path.write_text(
        f"""\
sources:
  - name: demo
    orthanc: {orthanc.url}
    patient_id_system: urn:oid:2.25.1
    timezone: Europe/Berlin
    stable_age: 2s
    feed: {{interval: 1s}}
target:
  fhir: {hapi.url}
ledger: sqlite:///{home / "ledger.db"}
settle: {{quiet: 2s, margin: 1s}}
log: {{level: warning}}
"""
    )
    return path


def indexer(config: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end, its output in plain sight."""
    return subprocess.run([sys.executable, "-m", "indexer", *arguments, "--config", str(config)], check=False)


@contextlib.contextmanager
def daemon(config: Path) -> Iterator[None]:
    """The daemon, for as long as the block lasts."""
    process = subprocess.Popen([sys.executable, "-m", "indexer", "run", "--config", str(config)])
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=15)


def wait_for_study(hapi: Hapi, study_instance_uid: str) -> None:
    """Wait until the FHIR server finds the study.

    Raises
    ------
    TimeoutError
        If it does not come.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if search(hapi, "ImagingStudy", identifier=f"urn:dicom:uid|urn:oid:{study_instance_uid}"):
            return
        time.sleep(0.2)
    raise TimeoutError("the late study did not arrive")


def print_studies(hapi: Hapi) -> None:
    """A table of what the FHIR server holds."""
    patients = {one["id"]: one for one in search(hapi, "Patient")}
    table = Table("study", "patient", "started", "modality", "series", "instances", f"link below {hapi.url}", box=None)
    for study in sorted(search(hapi, "ImagingStudy"), key=lambda one: one.get("started", "")):
        patient = patients[study["subject"]["reference"].removeprefix("Patient/")]
        table.add_row(
            study.get("description", ""),
            patient.get("name", [{}])[0].get("text", "") or patient["identifier"][0]["value"],
            study.get("started", "")[:10],
            " ".join(one["code"] for one in study.get("modality", ())),
            str(study["numberOfSeries"]),
            str(study["numberOfInstances"]),
            f"/ImagingStudy/{study['id']}",
        )
    SAY.print(table)


def search(hapi: Hapi, resource_type: str, **parameters: str) -> list[dict[str, Any]]:
    """Resources of a type, one page of up to 200."""
    answer = requests.get(
        f"{hapi.url}/{resource_type}",
        params={"_count": "200", **parameters},
        headers={"Cache-Control": "no-cache"},
        timeout=60,
    )
    answer.raise_for_status()
    return [entry["resource"] for entry in answer.json().get("entry", ())]


def step(title: str) -> None:
    """Announce an act."""
    SAY.print(f"\n[bold]== {title}[/bold]")


if __name__ == "__main__":
    sys.exit(main())
