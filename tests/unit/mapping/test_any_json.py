"""Whatever the JSON holds, a study becomes checked resources or a study error, in strict JSON."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer import mapping
from indexer.errors import StudyUnfit, StudyWaits
from indexer.model import Attributes, Instance, Series, Study
from indexer.model.attributes import tag_of
from tests.unit.mapping.r6 import mistakes
from tests.unit.mapping.studies import CT, rules
from tests.unit.mapping.test_fhirclient import read_strictly

KEYWORDS = [
    *("PatientID", "PatientName", "PatientSex", "PatientBirthDate", "IssuerOfPatientID", "AccessionNumber"),
    *("StudyDate", "StudyTime", "TimezoneOffsetFromUTC", "StudyDescription", "SeriesDate", "SeriesTime"),
    *("SeriesNumber", "SeriesDescription", "Modality", "ProtocolName", "AcquisitionDateTime", "AcquisitionDate"),
    *("AcquisitionTime", "ContentDate", "ContentTime", "UniversalEntityID", "UniversalEntityIDType"),
    *("LocalNamespaceEntityID", "CodeValue", "CodingSchemeDesignator", "CodeMeaning", "LongCodeValue", "URNCodeValue"),
    *("BodyPartExamined", "Laterality", "ImageLaterality", "ReasonForTheRequestedProcedure", "ReasonForStudy"),
    *("ReferringPhysicianName", "NameOfPhysiciansReadingStudy", "PerformingPhysicianName", "OperatorsName"),
    *(
        "Manufacturer",
        "StationName",
        "DeviceSerialNumber",
        "InstitutionName",
        "AdmissionID",
        "StudyComments",
        "StudyID",
    ),
    *("ImageType", "DocumentTitle", "ContentLabel", "SpecimenIdentifier", "CodingSchemeUID"),
]
SEQUENCES = [
    *("IssuerOfPatientIDQualifiersSequence", "IssuerOfAccessionNumberSequence", "RequestAttributesSequence"),
    *(
        "ProcedureCodeSequence",
        "SeriesDescriptionCodeSequence",
        "AnatomicRegionSequence",
        "SpecimenDescriptionSequence",
    ),
    *("ReasonForRequestedProcedureCodeSequence", "ReferringPhysicianIdentificationSequence"),
    *("ConceptNameCodeSequence", "CodingSchemeIdentificationSequence", "IssuerOfAdmissionIDSequence"),
]
LIKELY = st.sampled_from(
    [
        *(
            "",
            " ",
            "0042",
            "20240102",
            "101112.5",
            "240000",
            "-0500",
            "+1400",
            "CT",
            "sr",
            "F",
            "1",
            "-1",
            "99999999999",
        ),
        *(
            "Muster^Erika=山田^太郎=",
            "^^^^",
            "1.2.840.5",
            "ISO",
            "UUID",
            "urn:x",
            "SCT",
            "SRT",
            "T-D3000",
            "CHEST",
            "R",
            "2024",
            "00010101",
            "\0\x1b\ud800",
        ),
    ]
)
SCALARS = LIKELY | st.text(max_size=12) | st.none() | st.booleans() | st.integers() | st.floats()
VALUES = SCALARS | st.fixed_dictionaries({}, optional={"Alphabetic": SCALARS, "Ideographic": SCALARS, "x": SCALARS})
LEAVES = SCALARS | st.lists(VALUES, max_size=3)
PLAIN = st.dictionaries(
    st.sampled_from([tag_of(keyword) for keyword in KEYWORDS]),
    st.fixed_dictionaries({"vr": st.just("UN")}, optional={"Value": LEAVES}) | SCALARS,
    max_size=8,
)
NESTED = st.dictionaries(
    st.sampled_from([tag_of(keyword) for keyword in SEQUENCES]),
    st.fixed_dictionaries({"Value": st.lists(PLAIN | SCALARS, max_size=3)}),
    max_size=2,
)
DATASETS = st.builds(lambda plain, nested: Attributes({**plain, **nested}), PLAIN, NESTED)
UIDS = st.sampled_from(["1.2.3", "1.2.4", "1.2.5", "1.02", "1.2.3\0", "", "..", "1.x", "1" * 65]) | st.text(max_size=4)
NUMBERS = st.none() | LIKELY | st.text(max_size=5)
INSTANCES = st.builds(Instance, UIDS, st.none() | st.just(CT) | UIDS, NUMBERS, NUMBERS)
SERIES = st.builds(
    Series,
    series_instance_uid=UIDS,
    attributes=DATASETS,
    instances=st.lists(INSTANCES, max_size=4).map(tuple),
    sampled=st.dictionaries(UIDS, DATASETS, max_size=2),
)
STUDIES = st.builds(
    Study,
    study_instance_uid=st.just("1.2.826.1") | UIDS,
    source=st.just("main"),
    attributes=DATASETS,
    series=st.lists(SERIES, max_size=3).map(tuple),
    is_sampled=st.booleans(),
)
RULES = st.builds(
    rules,
    release=st.sampled_from(list(mapping.Release)),
    subject=st.sampled_from(list(mapping.Subject)),
    device_patient_ids=st.sampled_from([(), ("*2",)]),
    preset=st.sampled_from(list(mapping.presets().values())),
    timezone=st.sampled_from([None, ZoneInfo("Europe/Berlin"), ZoneInfo("America/Caracas")]),
    issuer=st.sampled_from(["read", "ignore"]),
    instances=st.sampled_from([mapping.Instances(), mapping.Instances("none"), mapping.Instances("capped", 2)]),
    elements=st.frozensets(st.sampled_from(list(mapping.Element))),
)


def assert_strict(resource: dict[str, Any], release: mapping.Release) -> None:
    """Strict JSON that reads back as itself, sound by our own check and by an independent model of the release."""
    assert orjson.loads(orjson.dumps(resource)) == resource
    assert mapping.check(resource, release) == ()
    if release is mapping.Release.R6:
        assert mistakes(resource) == []
    elif release is not mapping.Release.R5:
        read_strictly(resource)


SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)


@settings(max_examples=2_000, suppress_health_check=SLOW)
@given(study=STUDIES, applied=RULES)
def test_any_study_becomes_sound_resources_or_an_error(study: Study, applied: mapping.Rules) -> None:
    becomes_sound_or_an_error(study, applied)


def becomes_sound_or_an_error(study: Study, applied: mapping.Rules) -> None:
    try:
        found = mapping.map_study(study, applied, endpoint_ids=["e1"])
    except (StudyUnfit, StudyWaits):
        return
    assert_strict(found.imaging_study, applied.release)
    assert_strict(found.patient, applied.release)
    assert found == mapping.map_study(study, applied, endpoint_ids=["e1"])


JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(element=JSON)
def test_any_element_can_be_read(element: Any) -> None:
    found = Attributes({tag_of("PatientName"): element})
    found.texts("PatientName")
    found.person_names("PatientName")
    assert all(isinstance(item, Attributes) for item in found.items("PatientName"))
    assert found.over(found).json == {**found.json}
