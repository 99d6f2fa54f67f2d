"""The golden cases once more, from the files through real Orthancs of both versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.golden.record import FOLDER, RELEASES, all_cases, read, result, store

if TYPE_CHECKING:
    from tests.servers.orthanc import Orthanc

# The DICOMweb plugin of 1.10 answers no request for a SOPInstanceUID that stands in two series of one study.
OTHERWISE = {"1.10": ["bad-instance-in-two-series"], "1.12": []}


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return {release: found[release] for release in RELEASES}


@pytest.mark.parametrize("only_dicomweb", [False, True], ids=["as shipped", "DICOMweb"])
def test_real_orthancs_lead_to_the_records(orthanc: Orthanc, only_dicomweb: bool) -> None:
    names = {study: name for name, files in all_cases().items() for study in store(orthanc, files)}
    differing = [
        names[location_id]
        for location_id, study in read(orthanc, only_dicomweb=only_dicomweb)
        if {name: result(study, of[0]) for name, of in RELEASES.items()} != recorded(names[location_id])
    ]
    assert len(names) > 130
    assert differing == OTHERWISE[orthanc.label]
