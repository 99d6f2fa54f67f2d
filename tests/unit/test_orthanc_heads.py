"""Where the file itself has to be read, and what follows if it cannot be."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from indexer import errors, mapping
from indexer.dicomweb import DicomWebSamples
from indexer.errors import StudyInvalid
from indexer.model import Study
from indexer.orthanc import OrthancSource
from indexer.orthanc.samples import FindSamples
from indexer.transport import Transport
from tests.contract.source_cases import RULES
from tests.fakes.orthanc import FakeOrthanc, Reply
from tests.samples.raw import raw_file, store_raw

KEYWORDS = mapping.sampled_keywords(RULES)
NAME = {"SpecificCharacterSet": b"ISO 2022 IR 100\\ISO 2022 IR 144", "PatientName": b"Miller^Uwe", "PatientID": b"161"}


@pytest.fixture
def samples(fake: FakeOrthanc, source: OrthancSource) -> Iterator[FindSamples]:
    transport = Transport(fake.dicomweb_url, peer="dicomweb main", timeout_s=5)
    yield source.samples(KEYWORDS, DicomWebSamples(transport, files=source.file_heads(KEYWORDS)), 3)
    transport.close()


@pytest.fixture
def study(fake: FakeOrthanc, source: OrthancSource) -> Study:
    store_raw(fake, raw_file("doubtful", NAME))
    (location,) = source.list_locations()
    fake.requests.clear()
    return source.read(location)


def test_the_file_of_a_doubtful_sample_is_read(fake: FakeOrthanc, samples: FindSamples, study: Study) -> None:
    mapped = mapping.map_study(replace(study, series=samples.sample(study), is_sampled=True), RULES)

    assert mapped.patient["name"][0]["family"] == "Miller"
    assert [path for _, path in fake.requests if path.endswith("/file")]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_without_the_file_no_text_is_trusted(
    status: int, fake: FakeOrthanc, samples: FindSamples, study: Study
) -> None:
    """`161` may be what is left of another number."""
    fake.inject(lambda _: Reply(status), path="/instances/", times=9)

    sampled = replace(study, series=samples.sample(study), is_sampled=True)

    with pytest.raises(StudyInvalid) as raised:
        mapping.map_study(sampled, RULES)
    assert raised.value.cause == "patient_id_charset"


@pytest.mark.parametrize(("status", "expected"), [(401, errors.AccessDenied), (503, errors.Unavailable)])
def test_a_server_in_trouble_is_told_as_that(
    status: int, expected: type[errors.PeerError], fake: FakeOrthanc, samples: FindSamples, study: Study
) -> None:
    fake.inject(lambda _: Reply(status), path="/instances/", times=9)

    with pytest.raises(expected):
        samples.sample(study)


def test_another_file_than_the_one_asked_for_is_not_taken(
    fake: FakeOrthanc, samples: FindSamples, study: Study
) -> None:
    fake.inject(lambda reply: replace(reply, body=raw_file("other", NAME)), path="/instances/", times=9)

    (series,) = samples.sample(study)

    assert all(dataset.undecoded for dataset in series.sampled.values())


def test_a_file_is_not_read_where_its_uid_is_not_the_only_one(
    fake: FakeOrthanc, source: OrthancSource, study: Study
) -> None:
    store_raw(fake, raw_file("doubtful", {**NAME, "PatientID": b"162"}))
    (series,) = study.series

    head = source.file_heads(KEYWORDS).dataset(
        study.study_instance_uid, series.series_instance_uid, series.instances[0].sop_instance_uid
    )

    assert head is None
