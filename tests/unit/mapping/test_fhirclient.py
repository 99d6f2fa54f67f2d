"""ReleaseEncoding of mapped R4 resources by an independent model; it knows no codes and no counts."""

from __future__ import annotations

from typing import Any

import pytest
from fhirclient.models.endpoint import Endpoint
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.imagingstudy import ImagingStudy
from fhirclient.models.patient import Patient

from indexer import mapping
from indexer.strategies import endpoint_id
from tests.unit.mapping.studies import dataset, mapped, rules, sampled_study

MODELS = {"ImagingStudy": ImagingStudy, "Patient": Patient, "Endpoint": Endpoint}


def read_strictly(resource: dict[str, Any]) -> None:
    """Raise `FHIRValidationError` for unknown elements, wrong types and missing required elements."""
    model = MODELS[resource["resourceType"]](resource, strict=True)
    assert model.as_json() == resource


def test_mapped_resources_have_the_shape_of_r4() -> None:
    sample = dataset(
        {"AccessionNumber": "A1", "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう", "StudyTime": "1011"},
        RequestAttributesSequence=[dataset({"AccessionNumber": "A2"})],
    )
    found = mapped(sampled_study(sample, attributes={"StudyDate": "20240102", "StudyDescription": "CT"}))
    read_strictly(found.imaging_study)
    read_strictly(found.patient)
    address = "https://pacs.example.org/dicom-web"
    read_strictly(mapping.endpoint(address, identifier=endpoint_id(address), source="main", rules=rules()))


@pytest.mark.parametrize("mistake", [{"unknown": 1}, {"numberOfSeries": "1"}, {"subject": None}])
def test_the_model_bites(mistake: dict[str, Any]) -> None:
    with pytest.raises(FHIRValidationError):
        read_strictly({key: value for key, value in (mapped().imaging_study | mistake).items() if value is not None})
