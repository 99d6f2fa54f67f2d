"""ReleaseEncoding of mapped R4 resources by an independent model; it knows no codes and no counts."""

from typing import Any

import pytest
from fhirclient.models.endpoint import Endpoint
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.imagingstudy import ImagingStudy
from fhirclient.models.patient import Patient

from tests.unit.mapping.studies import mapped

MODELS = {"ImagingStudy": ImagingStudy, "Patient": Patient, "Endpoint": Endpoint}


def read_strictly(resource: dict[str, Any]) -> None:
    """Raise `FHIRValidationError` for unknown elements, wrong types and missing required elements."""
    model = MODELS[resource["resourceType"]](resource, strict=True)
    assert model.as_json() == resource


@pytest.mark.parametrize("mistake", [{"unknown": 1}, {"numberOfSeries": "1"}, {"subject": None}])
def test_the_model_bites(mistake: dict[str, Any]) -> None:
    with pytest.raises(FHIRValidationError):
        read_strictly({key: value for key, value in (mapped().imaging_study | mistake).items() if value is not None})
