"""Datasets over DICOMweb where the server misbehaves."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from indexer import errors
from indexer.dicomweb import DicomWebSamples
from indexer.model import Study
from indexer.model.objects import is_image
from indexer.orthanc import OrthancSource
from indexer.sampling import slim
from indexer.transport import Transport
from tests.fakes.orthanc import FakeOrthanc, Reply
from tests.samples import generate, store_rest
from tests.samples.datasets import SOP_CLASSES

ROOT = "/dicom-web"
WADO = "/dicom-web/studies/"


@pytest.fixture
def fake() -> Iterator[FakeOrthanc]:
    with FakeOrthanc() as made:
        yield made


@pytest.fixture
def samples(fake: FakeOrthanc) -> Iterator[DicomWebSamples]:
    transport = Transport(fake.dicomweb_url, peer="dicomweb main", timeout_s=5, max_bytes=100_000)
    yield DicomWebSamples(transport)
    transport.close()


def study_of(fake: FakeOrthanc, **options: Any) -> Study:
    store_rest(fake, generate(**options))
    transport = Transport(fake.url, peer="orthanc main")
    source = OrthancSource(transport, "main")
    (location,) = source.list_locations()
    study = source.read(location)
    transport.close()
    fake.requests.clear()
    return study


def asked(fake: FakeOrthanc) -> int:
    return sum(path.startswith(WADO) for _, path in fake.requests)


def test_a_file_that_cannot_be_read_is_passed_over_for_the_next(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    study = study_of(fake, instances=5)
    fake.inject(lambda _: Reply(500), path=WADO, times=2)

    (series,) = samples.sample(study)

    (dataset,) = series.sampled.values()
    assert dataset.text("InstanceNumber") == "3"
    assert asked(fake) == 3


def test_a_series_that_cannot_be_read_stays_without(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    study = study_of(fake, series=2, instances=5)
    fake.inject(lambda _: Reply(500), path=WADO, times=3)

    series = samples.sample(study)

    assert [len(one.sampled) for one in series] == [0, 1]
    assert asked(fake) == 4


def test_a_dataset_over_the_cap_is_passed_over(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    study = study_of(fake, instances=2)
    fake.inject(lambda reply: replace(reply, body=b" " * 200_000), path=WADO)

    assert len(samples.sample(study)[0].sampled) == 1


def test_a_study_without_a_file_that_can_be_read_waits(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    study = study_of(fake, instances=2)
    fake.inject(lambda _: Reply(500), path=WADO, times=9)

    with pytest.raises(errors.StudyUnreadable) as raised:
        samples.sample(study)

    assert raised.value.cause == "unreadable"


def test_a_study_that_cannot_be_read_waits_although_a_series_has_a_uid_that_is_none(
    fake: FakeOrthanc, samples: DicomWebSamples
) -> None:
    study = study_of(fake, series=2)
    fake.inject(lambda _: Reply(500), path=WADO, times=9)
    first, second = study.series

    with pytest.raises(errors.StudyUnreadable):
        samples.sample(replace(study, series=(replace(first, series_instance_uid="x"), second)))


def test_a_refusal_of_one_file_makes_the_study_wait(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    study = study_of(fake)
    fake.inject(lambda _: Reply(400), path=WADO)

    with pytest.raises(errors.StudyUnreadable):
        samples.sample(study)


@pytest.mark.parametrize(
    ("status", "expected"), [(401, errors.AccessDenied), (503, errors.Unavailable), (502, errors.Unavailable)]
)
def test_a_server_in_trouble_is_told_as_that(
    status: int, expected: type, fake: FakeOrthanc, samples: DicomWebSamples
) -> None:
    study = study_of(fake)
    fake.inject(lambda _: Reply(status), path=WADO)

    with pytest.raises(expected):
        samples.sample(study)


def test_a_study_without_series(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    assert samples.sample(replace(study_of(fake), series=())) == ()


def test_a_root_that_answers_404_is_an_outage_and_no_study_s_fault(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    study = study_of(fake)
    fake.inject(lambda _: Reply(404), path=ROOT, times=2)

    with pytest.raises(errors.Unavailable) as raised:
        samples.sample(study)

    assert raised.value.status is None
    assert "dicomweb_root" in raised.value.hint


def other(tag: str) -> Callable[[Any], object]:
    return lambda found: found[0][tag].update(Value=["1.2.3"])


@pytest.mark.parametrize(
    "edit",
    [
        other("0020000D"),
        other("00080018"),
        lambda found: found[0].pop("0020000D"),
        lambda found: found.append({}),
        lambda found: found.clear(),
        lambda found: found.__setitem__(0, "dataset"),
    ],
)
def test_another_dataset_than_the_one_asked_for(
    edit: Callable[[Any], object], fake: FakeOrthanc, samples: DicomWebSamples
) -> None:
    def change(reply: Reply) -> Reply:
        found = json.loads(reply.body)
        edit(found)
        return replace(reply, body=json.dumps(found).encode())

    study = study_of(fake)
    fake.inject(change, path=WADO)

    with pytest.raises(errors.ProtocolViolation, match="dicomweb main"):
        samples.sample(study)


def test_a_login_page(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    study = study_of(fake)
    fake.inject(lambda _: Reply(body=b"<html>", kind="text/html"), path=WADO)

    with pytest.raises(errors.ProtocolViolation):
        samples.sample(study)


def test_instances_without_a_number_come_last(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    study = study_of(fake, instances=4)
    (series,) = study.series
    numbers = {"1": None, "2": "x", "3": "12", "4": " 7"}
    instances = tuple(replace(one, instance_number=numbers[str(one.instance_number)]) for one in series.instances)
    chosen = next(one.sop_instance_uid for one in instances if one.instance_number == " 7")

    (sampled,) = samples.sample(replace(study, series=(replace(series, instances=instances),)))

    assert list(sampled.sampled) == [chosen]


def test_a_series_of_images_and_other_objects(fake: FakeOrthanc, samples: DicomWebSamples) -> None:
    study = study_of(fake, instances=4)
    (series,) = study.series
    kinds = [SOP_CLASSES["SR"], None, SOP_CLASSES["CT"], SOP_CLASSES["KO"]]
    instances = tuple(
        replace(one, sop_class_uid=kind, instance_number=str(place))
        for place, (one, kind) in enumerate(zip(series.instances, kinds, strict=True))
    )

    (sampled,) = samples.sample(replace(study, series=(replace(series, instances=instances),)))

    assert sorted(sampled.sampled) == sorted(instances[place].sop_instance_uid for place in (0, 1, 3))


@pytest.mark.parametrize("modality", sorted(SOP_CLASSES))
def test_images_are_told_from_other_objects(modality: str) -> None:
    others = {"SR", "KO", "PR", "DOC", "SEG", "RTSTRUCT", "ECG"}

    assert is_image(SOP_CLASSES[modality]) == (modality not in others)


def test_classes_that_only_look_alike() -> None:
    storage = "1.2.840.10008.5.1.4.1.1."

    assert is_image(storage + "481.1")
    assert not is_image(storage + "481.2")
    assert is_image(storage + "7.1")
    assert is_image("1.2.3.88.1")
    assert not is_image(storage + "66")


def test_slim() -> None:
    kept = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}, "00081115": {"vr": "SQ", "Value": [{}]}}
    dropped = {
        "7FE00010": {"vr": "OW"},
        "00091001": {"vr": "LO", "Value": ["private"]},
        "00281201": {"vr": "OW", "InlineBinary": "AAAA"},
        "00281202": {"vr": "OW", "BulkDataURI": "http://x"},
        "52009230": {"vr": "SQ", "Value": [{"00209113": {"vr": "SQ", "Value": [{}]}}] * 1000},
        "00080005": "no element",
        "short": {"vr": "LO", "Value": ["x"]},
    }

    assert slim({**kept, **dropped}) == kept
