"""ReleaseEncoding of the golden resources by another independent model: R4B and R5."""

import copy
import json
from typing import Any

import pytest

from tests.golden.record import FOLDER

pytest.importorskip("fhir.resources", reason="fhir.resources is not installed: pip install fhir.resources")

from fhir.resources.imagingstudy import ImagingStudy as ImagingStudyR5
from fhir.resources.patient import Patient as PatientR5
from fhir.resources.R4B.imagingstudy import ImagingStudy as ImagingStudyR4B
from fhir.resources.R4B.patient import Patient as PatientR4B
from pydantic import ValidationError

MODELS = {
    "R4": {"ImagingStudy": ImagingStudyR4B, "Patient": PatientR4B},
    "R5": {"ImagingStudy": ImagingStudyR5, "Patient": PatientR5},
}
"""By the record that serves the release: R4 and R4B are written alike."""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_records_have_the_shape_of_their_release(path: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, models in MODELS.items():
        for kind, model in models.items():
            if kind in content[name]:
                assert model.model_validate(content[name][kind]).get_resource_type() == kind


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("mistake", [{"unknown": 1}, {"subject": None}, {"started": "2024-02-30"}])
def test_the_models_bite(name: str, mistake: dict[str, Any]) -> None:
    content = json.loads((FOLDER / "pdf.json").read_text(encoding="utf-8"))
    resource = copy.deepcopy(content[name]["ImagingStudy"]) | mistake
    spoilt = {key: value for key, value in resource.items() if value is not None}
    with pytest.raises(ValidationError):
        MODELS[name]["ImagingStudy"].model_validate(spoilt)
