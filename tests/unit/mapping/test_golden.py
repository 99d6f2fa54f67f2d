"""What the mapping makes of studies as a real Orthanc tells them; `tests.golden.record` writes the records."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from indexer.mapping import Release, check
from tests.golden.record import FOLDER, RELEASES, result, thawed
from tests.unit.mapping.r6 import mistakes
from tests.unit.mapping.test_fhirclient import read_strictly

CASES = sorted(FOLDER.glob("*.json"))


@functools.cache
def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_mapping_is_as_recorded(path: Path) -> None:
    study = thawed(content(path)["study"])
    for name, releases in RELEASES.items():
        for release in releases:
            assert result(study, release) == content(path)[name]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_records_are_sound(path: Path) -> None:
    for name, releases in RELEASES.items():
        for kind in ("ImagingStudy", "Patient"):
            resource = content(path)[name].get(kind)
            if resource is None:
                continue
            assert all(check(resource, release) == () for release in releases)
            if Release.R6 in releases:
                assert mistakes(resource) == []
            elif Release.R4 in releases:
                read_strictly(resource)


def test_there_are_enough_cases() -> None:
    published = [path for path in CASES if "error" not in content(path)["R4"]]
    assert len([path for path in published if not path.stem.startswith("bad-")]) >= 60
    assert len([path for path in CASES if path.stem.startswith("bad-")]) >= 30
    series = [one for path in published for one in content(path)["R4"]["ImagingStudy"].get("series", [])]
    modalities = {one["modality"]["code"] for one in series}
    wanted = "CT MR US CR DX MG NM PT XA SR KO PR SEG RTSTRUCT RTPLAN DOC SM ECG"
    assert set(wanted.split(" ")) <= modalities
