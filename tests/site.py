"""One installation under test: a configuration file, the command line as a subprocess, and the daemon."""

import contextlib
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tests import commands
from tests.servers.orthanc import Orthanc

DEADLINE_S = 90.0


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(kw_only=True)
class Site:
    """Orthanc, a FHIR base URL, and an indexer between them.

    Attributes
    ----------
    source, target, top
        Keys that are merged into the configuration's source, target and top level; one of a source that is None is left
        out.
    public_dicomweb
        Names the Endpoint; never the same for two sites, while ports are.
    """

    home: Path
    orthanc: Orthanc
    fhir: str
    orthanc_url: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    top: dict[str, Any] = field(default_factory=dict)
    public_dicomweb: str = field(default_factory=lambda: f"http://pacs-{uuid.uuid4().hex}.example/dicom-web")

    @property
    def config(self) -> Path:
        """The configuration file, written anew."""
        source = {
            "name": "main",
            "orthanc": self.orthanc_url or self.orthanc.url,
            "dicomweb": self.public_dicomweb,
            "patient_id_system": "urn:oid:2.25.99",
            "stable_age": "1s",
            "feed": {"interval": "200ms"},
            **self.source,
        }
        target = {"fhir": self.fhir, "release": "R4", "retry": {"initial": "200ms", "max": "2s"}, **self.target}
        content = {
            "sources": [{name: value for name, value in source.items() if value is not None}],
            "target": target,
            "ledger": f"sqlite:///{self.home / 'ledger.db'}",
            "settle": {"quiet": "2s", "margin": "500ms", "max_wait": "60s"},
            "log": {"format": "json", "level": "debug"},
            **self.top,
        }
        path = self.home / "config.yaml"
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        return path

    def command(self, *arguments: str) -> list[str]:
        """The command line of one call."""
        return [sys.executable, "-m", "indexer", *self.arguments(*arguments)]

    def arguments(self, *arguments: str) -> list[str]:
        """The same without the program."""
        return [*arguments, "--config", str(self.config)]

    def cli(self, *arguments: str, expect: int | None = 0, kill_at: str | None = None) -> Done:
        """Run one command to its end and check its exit code.

        Parameters
        ----------
        kill_at
            Point of `tests.chaos.killer` at whose first pass the process dies.
        """
        output = self.home / f"{arguments[0]}.out"
        errors = self.home / f"{arguments[0]}.out.err"
        errors.unlink(missing_ok=True)
        process = commands.start(self.arguments(*arguments), output, kill_at=kill_at)
        process.join(5 * DEADLINE_S)
        assert process.exitcode is not None, f"{arguments} did not end"
        done = Done(process.exitcode, output.read_text(), errors.read_text())
        if expect is not None:
            assert done.returncode == expect, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def verify(self, expect: int | None = 0) -> dict[str, Any]:
        """Compare everything; the report."""
        return json.loads(self.cli("verify", "--json", expect=expect).stdout)

    def status(self) -> dict[str, Any]:
        """The state of the one source."""
        return json.loads(self.cli("status", "--json", expect=None).stdout)["sources"][0]

    @contextlib.contextmanager
    def daemon(self) -> Iterator[None]:
        """The daemon for as long as the block lasts; it must end well at SIGTERM, within 10 seconds."""
        process = commands.start(self.arguments("run"), self.home / "daemon.out")
        try:
            yield
        finally:
            process.terminate()
            process.join(10)
        assert process.exitcode == 0, self.log()

    def log(self) -> str:
        """What the daemon logged."""
        path = self.home / "daemon.out.err"
        return path.read_text() if path.exists() else ""

    def study(self, study_instance_uid: str) -> dict[str, Any] | None:
        """The ImagingStudy that bears a UID, if the FHIR server holds one."""
        found = self.search("ImagingStudy", identifier=f"urn:dicom:uid|urn:oid:{study_instance_uid}")
        assert len(found) < 2, "a doubled study"
        return found[0] if found else None

    def fetch(self, reference: str) -> dict[str, Any]:
        """One resource of the FHIR server."""
        answer = requests.get(f"{self.fhir}/{reference}", timeout=60)
        answer.raise_for_status()
        return answer.json()

    def put(self, resource: dict[str, Any]) -> None:
        """Write a resource as somebody else would."""
        url = f"{self.fhir}/{resource['resourceType']}/{resource['id']}"
        requests.put(url, json=resource, timeout=60).raise_for_status()

    def delete(self, reference: str) -> None:
        """Delete a resource as somebody else would."""
        requests.delete(f"{self.fhir}/{reference}", timeout=60).raise_for_status()

    def orthanc_changes(self) -> set[str]:
        """Types of all changes that Orthanc has logged."""
        answer = requests.get(f"{self.orthanc.url}/changes", params={"limit": "100000"}, timeout=30)
        return {change["ChangeType"] for change in answer.json()["Changes"]}

    def orthanc_studies(self) -> list[dict[str, Any]]:
        """Orthanc's own view of its studies."""
        return requests.get(f"{self.orthanc.url}/studies?expand", timeout=30).json()

    def search(self, resource_type: str, **parameters: str) -> list[dict[str, Any]]:
        """One page of resources, read past every cache."""
        answer = requests.get(
            f"{self.fhir}/{resource_type}",
            params={"_count": "200", **parameters},
            headers={"Cache-Control": "no-cache"},
            timeout=60,
        )
        answer.raise_for_status()
        return [entry["resource"] for entry in answer.json().get("entry", ())]


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Poll a condition until it holds, the more rarely the longer it takes: many conditions cost a process.

    Raises
    ------
    AssertionError
        If it does not in time.
    """
    begun = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - begun
        assert waited_s < deadline_s, f"waited {deadline_s:.0f} s in vain for: {what}"
        time.sleep(min(0.05 + waited_s / 10, 2.0))


def uids(datasets: Sequence[Any]) -> list[str]:
    """StudyInstanceUIDs of datasets, each once, in order."""
    return list(dict.fromkeys(str(dataset.StudyInstanceUID) for dataset in datasets))
