"""How long the mapping of a study takes, per instance, beside the converter dicom2fhir on the same study."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import orjson

from indexer.mapping import Release, Rules, check, map_study
from indexer.model import Instance, Series, Study
from tests.fakes.attributes import from_keywords
from tests.servers.cache import built

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PEER = ("dicom2fhir==0.1.25", "fhir.resources==8.0.0")
SERIES, INSTANCES = 4, 500
RUNS = 15
GOAL = 50
_CT = "1.2.840.10008.5.1.4.1.1.2"
_ROOT = "1.2.826.0.1.3680043.8.498"
_PATIENT = {"PatientID": "BENCH-1", "PatientName": "Bench^Mark", "PatientSex": "F", "PatientBirthDate": "19700102"}
_STUDY = {"StudyDate": "20240305", "StudyTime": "101112", "AccessionNumber": "A1", "StudyDescription": "CT Chest"}


def main() -> None:
    """Print µs per instance of a study of 2,000 instances, ours and the peer's, and how much quicker ours is."""
    count = SERIES * INSTANCES
    study = _study()
    for release in Release:
        rules = Rules(site_key=b"bench", patient_id_system="urn:oid:1.2.3.4", release=release)
        resource = map_study(study, rules).imaging_study
        mapped = _best(lambda rules=rules: map_study(study, rules))
        checked = _best(lambda resource=resource, release=release: check(resource, release))
        dumped = _best(lambda resource=resource: orjson.dumps(resource))
        whole = mapped + checked + dumped
        parts = f"map {_us(mapped, count)} + check {_us(checked, count)} + dump {_us(dumped, count)}"
        print(f"{release}: {_us(whole, count)} µs per instance ({parts}; best of {RUNS}, {count} instances)")
        if release is Release.R4:
            ours = whole
    peer = _peer(_datasets())
    print(f"{PEER[0]} with {PEER[1]}: {_us(peer, count)} µs per instance (the same study, R4B)")
    print(f"ours (R4) is {peer / ours:.0f} times as quick; the goal is {GOAL}")


def _us(seconds: float, count: int) -> str:
    return f"{seconds / count * 1e6:.2f}"


def _best(act: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return min(times)


def _series_attributes(number: int) -> dict[str, str]:
    return {"Modality": "CT", "SeriesNumber": str(number), "SeriesDescription": "Axial", "BodyPartExamined": "CHEST"}


def _uid(*numbers: int) -> str:
    return ".".join([_ROOT, *(str(1_000_000_000 + number) for number in numbers)])


def _study() -> Study:
    """As our own reader tells it: rows of the database, one dataset per series."""
    series = []
    for number in range(SERIES):
        instances = tuple(Instance(_uid(1, number, index), _CT, str(index)) for index in range(INSTANCES))
        attributes = from_keywords(_series_attributes(number))
        sampled = {instances[0].sop_instance_uid: from_keywords(_PATIENT | _STUDY | _series_attributes(number))}
        series.append(
            Series(series_instance_uid=_uid(1, number), attributes=attributes, instances=instances, sampled=sampled)
        )
    return Study(
        study_instance_uid=_uid(1),
        source="bench",
        attributes=from_keywords(_STUDY),
        series=tuple(series),
        is_sampled=True,
    )


def _datasets() -> list[dict[str, Any]]:
    """As dicom2fhir wants it: one dataset per instance, in the DICOM JSON Model."""
    found = []
    for number in range(SERIES):
        for index in range(INSTANCES):
            values = {"StudyInstanceUID": _uid(1), "SeriesInstanceUID": _uid(1, number), "SOPClassUID": _CT}
            values |= {"SOPInstanceUID": _uid(1, number, index), "InstanceNumber": str(index)}
            dataset = from_keywords(_PATIENT | _STUDY | _series_attributes(number) | values)
            found.append(_typed(dict(dataset.json)))
    return found


def _typed(dataset: dict[str, Any]) -> dict[str, Any]:
    """Numbers as numbers and names as objects, as the DICOM JSON Model has them."""
    for element in dataset.values():
        if element["vr"] == "IS":
            element["Value"] = [int(text) for text in element["Value"]]
        elif element["vr"] == "PN":
            element["Value"] = [{"Alphabetic": text} for text in element["Value"]]
    return dataset


def _peer(datasets: list[dict[str, Any]]) -> float:
    home = built("dicom2fhir-0.1.25", _install_peer)
    script = __file__.replace("mapping.py", "peer_dicom2fhir.py")
    done = subprocess.run(
        [home / "venv" / "bin" / "python", script],
        input=json.dumps(datasets),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _install_peer(draft: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", draft / "venv"], check=True)
    subprocess.run([draft / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", *PEER], check=True)
