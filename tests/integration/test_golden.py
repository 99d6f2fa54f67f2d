"""The golden cases once more, from the files through real Orthancs of both versions."""

import json
from typing import Any

from tests.golden.record import FOLDER, RELEASES, all_cases, read, result, store
from tests.servers.orthanc import Orthanc

# The DICOMweb plugin of 1.10 answers no request for a SOPInstanceUID that stands in two series of one study. Where one
# device gives a patient two names in one study, `tools/find` of 1.12 has that of the first instance for both series.
OVER_DICOMWEB = {"1.10": ["bad-instance-in-two-series", "bad-two-names"], "1.12": ["bad-two-names"]}
AS_SHIPPED = {"1.10": OVER_DICOMWEB["1.10"], "1.12": []}


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return {release: found[release] for release in RELEASES}


def test_real_orthancs_lead_to_the_records(orthanc: Orthanc) -> None:
    """As shipped, and where DICOMweb is the only way to what no database holds."""
    names = {study: name for name, files in all_cases().items() for study in store(orthanc, files)}
    assert len(names) > 130
    for only_dicomweb in (False, True):
        differing = [
            names[location_id]
            for location_id, study in read(orthanc, only_dicomweb=only_dicomweb)
            if {name: result(study, of[0]) for name, of in RELEASES.items()} != recorded(names[location_id])
        ]
        assert differing == (OVER_DICOMWEB if only_dicomweb else AS_SHIPPED)[orthanc.label], only_dicomweb
