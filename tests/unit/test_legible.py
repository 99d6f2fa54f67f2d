"""What cannot be read of a dataset is marked: never used, never taken for absent, never for another patient."""

from collections.abc import Callable
from typing import Any

import pytest

from indexer.dicomweb import DicomWebSamples
from indexer.errors import StudyInvalid
from indexer.mapping import map_study
from indexer.mapping.issues import Cause
from indexer.model import Attributes, Series, Study
from indexer.model.attributes import tag_of
from indexer.orthanc import OrthancSource
from indexer.sampling import slim
from indexer.transport import Transport
from tests.fakes.orthanc import FakeOrthanc, Reply
from tests.samples import generate, store_rest
from tests.unit.mapping.studies import PATIENT, dataset, rules, series, study
from tests.unit.orthanc_source import edited, only_copy

REQUEST = "RequestAttributesSequence"


def nested(levels: int) -> dict[str, Any]:
    """A sequence of so many levels, with a text in each item."""
    item: dict[str, Any] = {}
    for _ in range(levels):
        text = {"vr": "SH", "Value": ["R1"]}
        item = {tag_of(REQUEST): {"vr": "SQ", "Value": [{tag_of("RequestedProcedureID"): text, **item}]}}
    return item


@pytest.mark.parametrize(("levels", "is_marked"), [(1, False), (15, False), (16, True), (90, True), (300, True)])
def test_a_nested_sequence_is_read_as_far_as_it_can_be(levels: int, is_marked: bool) -> None:
    attributes = Attributes(slim(nested(levels)))
    assert attributes.item(REQUEST).text("RequestedProcedureID") == "R1"
    assert (attributes.undecoded_cause(REQUEST) == "too_deep") == is_marked


@pytest.mark.parametrize(
    ("keyword", "vr", "values"),
    [
        ("PatientID", "LO", [7]),
        ("PatientID", "US", [7]),
        ("PatientID", "LO", "7"),
        ("PatientID", "LO", [{"Alphabetic": "7"}]),
        ("PatientID", ["LO"], [True]),
        ("PatientName", "PN", [7]),
        ("PatientName", "PN", [{"Alphabetic": 7}]),
        ("StudyDate", "DA", [20200101]),
        ("StudyInstanceUID", "UI", [1.2]),
        ("InstanceNumber", "IS", [True]),
        (REQUEST, "SQ", ["item"]),
    ],
)
def test_a_value_of_a_wrong_type_is_marked(keyword: str, vr: Any, values: Any) -> None:
    attributes = Attributes(slim({tag_of(keyword): {"vr": vr, "Value": values}}))
    assert attributes.undecoded_cause(keyword) == "malformed"
    assert attributes.values(keyword) == []


def test_what_is_not_malformed_stays() -> None:
    elements = {
        tag_of("InstanceNumber"): {"vr": "IS", "Value": [7]},
        tag_of("PatientWeight"): {"vr": "DS", "Value": ["70.5", None]},
        tag_of("PatientName"): {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]},
        tag_of("Rows"): {"vr": "US", "Value": [512]},
        tag_of("PatientID"): {"vr": "LO"},
        tag_of("StudyDate"): {"vr": "DA", "Value": []},
    }
    assert slim(elements) == elements


def sampled(*datasets: Attributes) -> Study:
    """A study with one series of these datasets."""
    return study(None, series(sampled={f"1.{number}": one for number, one in enumerate(datasets, 1)}))


def with_element(keyword: str, **element: Any) -> Attributes:
    """A sound dataset with another element."""
    return Attributes(slim({**dataset(PATIENT).json, tag_of(keyword): element}))


def test_what_could_not_be_read_is_counted() -> None:
    too_deep = Attributes({**dataset(PATIENT).json, **slim(nested(400))})
    malformed = with_element("StudyDate", vr="DA", Value=[20200101])
    issues = {(issue.keyword, issue.cause) for issue in map_study(sampled(too_deep, malformed), rules()).issues}
    assert {(REQUEST, Cause.TOO_DEEP), ("StudyDate", Cause.MALFORMED)} <= issues


def test_a_malformed_number_is_not_that_of_another_patient() -> None:
    malformed = with_element("PatientID", vr="LO", Value=[7])
    expected = map_study(sampled(dataset(PATIENT)), rules()).patient_key
    assert map_study(sampled(dataset(PATIENT), malformed), rules()).patient_key == expected
    with pytest.raises(StudyInvalid) as raised:
        map_study(sampled(malformed), rules())
    assert raised.value.cause == "bad_patient_id"


# --- from the archive -----------------------------------------------------------------------------------------------


def deep(levels: int) -> Callable[[Reply], Reply]:
    """The answer with a sequence of so many levels."""
    tag = tag_of(REQUEST).encode()
    sequence = b'{"vr":"SQ","Value":[{"%s":' % tag * levels + b'{"vr":"SQ"}' + b"}]}" * levels

    def deepened(reply: Reply) -> Reply:
        return Reply(body=b'[{"%s":' % tag + sequence + b"," + reply.body[2:], kind=reply.kind)

    return deepened


def only_series(fake: FakeOrthanc, source: OrthancSource, change: Callable[[Reply], Reply]) -> Series:
    """The series of a study whose dataset comes over DICOMweb, changed, and whose file cannot be read."""
    store_rest(fake, generate())
    study = source.read(only_copy(source))
    fake.inject(change, path="/dicom-web", times=9)
    transport = Transport(fake.dicomweb_url, peer="dicomweb main")
    (series,) = DicomWebSamples(transport).sample(study)
    transport.close()
    return series


@pytest.mark.parametrize("levels", [100, 300, 330, 400, 50_000])
def test_a_dataset_that_is_nested_without_end_is_read(levels: int, fake: FakeOrthanc, source: OrthancSource) -> None:
    (dataset,) = only_series(fake, source, deep(levels)).sampled.values()
    assert dataset.undecoded == {tag_of(REQUEST): "too_deep"}
    assert dataset.text("PatientID")


def test_a_malformed_dataset_is_read_from_its_file(fake: FakeOrthanc, source: OrthancSource) -> None:
    datasets = generate()
    store_rest(fake, datasets)
    study = source.read(only_copy(source))
    number = {"vr": "LO", "Value": [7]}
    fake.inject(edited(lambda found: found[0].update({tag_of("PatientID"): number})), path="/dicom-web", times=9)
    transport = Transport(fake.dicomweb_url, peer="dicomweb main")
    (series,) = DicomWebSamples(transport, files=source.file_heads(["PatientID"])).sample(study)
    transport.close()
    (dataset,) = series.sampled.values()
    assert dataset.text("PatientID") == datasets[0].PatientID
