"""A dataset whose file cannot be read, and whose character set Orthanc misreads: none of its texts is believed."""

from typing import Any

import pytest

from indexer import mapping
from indexer.errors import StudyInvalid
from indexer.model import Attributes
from indexer.model.attributes import tag_of
from indexer.sampling import without_texts
from tests.unit.mapping.studies import rules, series, study

ISSUER = {tag_of("UniversalEntityID"): {"vr": "UT", "Value": ["Klinik"]}}
QUALIFIERS = "IssuerOfPatientIDQualifiersSequence"


def misread(**elements: dict[str, Any]) -> Attributes:
    """What is left of a dataset under a character set that nobody knows."""
    unknown = {tag_of("SpecificCharacterSet"): {"vr": "CS", "Value": ["ISO_IR 999"]}}
    return without_texts(Attributes(unknown | {tag_of(keyword): element for keyword, element in elements.items()}))


def test_an_issuer_inside_a_sequence_is_not_believed() -> None:
    doubtful = misread(**{QUALIFIERS: {"vr": "SQ", "Value": [ISSUER]}})
    assert doubtful.item(QUALIFIERS).undecoded_cause("UniversalEntityID") == "charset_unknown"


def test_what_is_no_text_stays() -> None:
    assert misread(StudyDate={"vr": "DA", "Value": ["20240101"]}).text("StudyDate") == "20240101"


def test_a_study_of_such_an_issuer_goes_to_quarantine() -> None:
    number = {tag_of("PatientID"): {"vr": "LO", "Value": ["161"]}}
    doubtful = Attributes(misread(**{QUALIFIERS: {"vr": "SQ", "Value": [ISSUER]}}).json | number)
    with pytest.raises(StudyInvalid) as raised:
        mapping.map_study(study(None, series(sampled={"1.1": doubtful})), rules())
    assert raised.value.cause == "patient_id_charset"
