"""HAPI's FHIR validator, offline: R4, R4B and R5. It runs on the jars of the HAPI server that the tests build."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.mapping.tables import column
from tests.servers.hapi import _installed as hapi_home

RELEASES = ("R4", "R4B", "R5")
_SOURCE = Path(__file__).parent / "Validate.java"
_DEADLINE_S = 300
_JVM_FLAGS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx2g")


@dataclass(frozen=True)
class Finding:
    """One message about one resource; `severity` is ``error``, ``fatal``, ``warning`` or ``information``."""

    severity: str
    location: str | None
    message: str

    @property
    def is_error(self) -> bool:
        return self.severity in ("error", "fatal")


def validate(release: str, resources: Sequence[dict[str, Any]], definitions: Path | None = None) -> list[list[Finding]]:
    """Validate resources; one list of findings for each, in order.

    Parameters
    ----------
    definitions
        Folder of profiles, extensions, value sets and code systems, named ``<type>-<id>.json``.
    """
    with tempfile.TemporaryDirectory(prefix="validator-") as scratch:
        codes = Path(scratch) / "codes.txt"
        codes.write_text("\n".join(column("modality", 2)), encoding="utf-8")
        jars = f"{hapi_home()}/lib/*"
        done = subprocess.run(
            ["java", *_JVM_FLAGS, "-cp", jars, _SOURCE, release, codes, definitions or scratch],
            input="".join(f"{json.dumps(one)}\n" for one in resources),
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"the validator failed: {done.stderr[-2000:]}")
    answers = [line for line in done.stdout.splitlines() if line.startswith("[")]
    if len(answers) != len(resources):
        raise RuntimeError(f"{len(answers)} answers to {len(resources)} resources")
    return [[Finding(**one) for one in json.loads(line)] for line in answers]
