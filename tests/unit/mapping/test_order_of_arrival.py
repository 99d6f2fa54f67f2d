"""Whatever instances state, a study becomes one resource in any order of their arrival."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import mapping
from indexer.mapping import Element
from tests.fakes.arrivals import Arrival, arrived
from tests.unit.mapping.arrivals import KEY_OBJECT, MR, STRUCTURE_SET, arrival
from tests.unit.mapping.studies import CT, PATIENT, dataset, rules

_TEXTS: dict[str, tuple[str, ...]] = {
    "StudyDate": ("20240305", "20240306", "junk"),
    "StudyTime": ("09", "1011", "noon"),
    "TimezoneOffsetFromUTC": ("+0100", "+0200"),
    "StudyDescription": ("Chest", "Head\\Neck"),
    "StudyID": ("1", "2"),
    "AccessionNumber": ("A1", "A2", "A1\\A3"),
    "PatientName": ("Muster^E", "Muster^Erika"),
    "PatientSex": ("F", "M", "x"),
    "PatientBirthDate": ("19640812", "19640813"),
    "ReferringPhysicianName": ("House", "Wilson"),
    "InstitutionName": ("North", "South"),
    "StudyComments": ("a", "b"),
    "RequestedProcedureDescription": ("CT", "MR"),
    "ReasonForStudy": ("pain", "Pain"),
    "SeriesDate": ("20240305", "20240304"),
    "SeriesTime": ("08", "0930"),
    "SeriesNumber": ("1", "2", "99999999999"),
    "SeriesDescription": ("Axial", "ROI"),
    "Modality": ("CT", "RTSTRUCT", "C/T"),
    "BodyPartExamined": ("CHEST", "HEART"),
    "Laterality": ("L", "R"),
    "Manufacturer": ("ACME", "Other"),
    "StationName": ("CT1",),
    "AcquisitionDate": ("20240305", "20240303"),
    "AcquisitionTime": ("07", "0715"),
}
_DATASETS = st.builds(
    lambda texts, local: dataset(
        PATIENT | texts, IssuerOfAccessionNumberSequence=[dataset({"LocalNamespaceEntityID": local})]
    ),
    st.fixed_dictionaries({}, optional={keyword: st.sampled_from(texts) for keyword, texts in _TEXTS.items()}),
    st.sampled_from(["", "RIS", "OTHER"]),
)
_ARRIVALS = st.lists(
    st.builds(
        arrival,
        st.sampled_from(["1.1", "1.2", "1.3"]),
        st.sampled_from([CT, MR, KEY_OBJECT, STRUCTURE_SET]),
        st.integers(1, 4),
        _DATASETS,
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.instance.sop_instance_uid,
)


@settings(max_examples=300)
@given(data=st.data(), instances=_ARRIVALS, release=st.sampled_from(list(mapping.Release)))
def test_in_any_order_of_arrival_a_study_becomes_one_resource(
    data: st.DataObject, instances: list[Arrival], release: mapping.Release
) -> None:
    others = data.draw(st.permutations(instances))
    applied = rules(elements=frozenset(Element), release=release, accession_systems={"RIS": "urn:ris"})
    first, second = (mapping.map_study(arrived(order), applied) for order in (instances, others))
    assert first == second
