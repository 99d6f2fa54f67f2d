"""Datasets by ``tools/find`` where Orthanc misbehaves: what is not certain is asked for over DICOMweb."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from indexer import errors
from indexer.dicomweb import DicomWebSamples
from indexer.model import Study
from indexer.orthanc import OrthancSource
from indexer.orthanc.samples import FindSamples
from indexer.transport import Transport
from tests.fakes.orthanc import FakeOrthanc, Reply
from tests.fakes.script import Clock
from tests.samples import generate, store_rest
from tests.unit.orthanc_source import edited

FIND = "/tools/find"
ISSUER, FILE_WAS_OPENED = "0010,0021", "0008,0001"


@pytest.fixture
def studies(fake: FakeOrthanc, source: OrthancSource) -> list[Study]:
    store_rest(fake, [*generate(seed="a", issuers=["A"]), *generate(seed="b", issuers=["B"])])
    found = [source.read(location) for location in source.list_locations()]
    fake.requests.clear()
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def samples(fake: FakeOrthanc, source: OrthancSource, clock: Clock) -> Iterator[FindSamples]:
    transport = Transport(fake.dicomweb_url, peer="dicomweb main", timeout_s=5)
    keywords = ["IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "PatientName"]
    yield FindSamples(source._client, keywords, source.file_heads(keywords), DicomWebSamples(transport), clock=clock)
    transport.close()


def asked(fake: FakeOrthanc, path: str = FIND) -> int:
    return sum(asked.startswith(path) for _, asked in fake.requests)


def requested(change: Callable[[dict[str, Any]], object]) -> Callable[[Reply], Reply]:
    """A change of what the first instance answers."""
    return edited(lambda found: change(found[0]["RequestedTags"]))


def test_both_ways_say_the_same(fake: FakeOrthanc, samples: FindSamples, studies: list[Study]) -> None:
    assert [bool(series) for series in samples.sample_batch(studies)] == [True, True]
    assert asked(fake) == 1
    assert [samples.sample(study)[0].sampled.keys() for study in studies] == [
        {study.series[0].instances[0].sop_instance_uid} for study in studies
    ]
    assert asked(fake, "/dicom-web/studies/") == 0


def test_a_broken_file_does_not_spoil_the_others(fake: FakeOrthanc, samples: FindSamples, studies: list[Study]) -> None:
    fake.inject(lambda _: Reply(500), path=FIND, times=2)

    assert [bool(series) for series in samples.sample_batch(studies)].count(True) == 1
    assert asked(fake) == 3


@pytest.mark.parametrize("tag", [ISSUER, "0010,0024", "0010,0010"])
def test_what_is_not_said_is_unknown_and_not_absent(
    tag: str, fake: FakeOrthanc, samples: FindSamples, studies: list[Study]
) -> None:
    fake.inject(requested(lambda tags: tags.pop(tag)), path=FIND)

    assert [bool(series) for series in samples.sample_batch(studies)].count(True) == 1
    assert asked(fake, "/dicom-web/studies/") == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda _: Reply(403),
        lambda _: Reply(404),
        lambda _: Reply(400),
        requested(lambda tags: tags.pop(FILE_WAS_OPENED)),
    ],
)
def test_an_orthanc_that_cannot_is_asked_again_after_a_while(
    change: Callable[[Reply], Reply], fake: FakeOrthanc, samples: FindSamples, studies: list[Study], clock: Clock
) -> None:
    fake.inject(change, path=FIND)

    assert samples.sample_batch(studies) == (None, None)
    assert samples.sample(studies[0])[0].sampled
    assert (asked(fake), asked(fake, "/dicom-web/studies/")) == (1, 1)

    clock.pass_by(301)
    assert all(samples.sample_batch(studies))


@pytest.mark.parametrize("status", [401, 503])
def test_a_server_in_trouble_is_told_as_that(
    status: int, fake: FakeOrthanc, samples: FindSamples, studies: list[Study]
) -> None:
    fake.inject(lambda _: Reply(status), path=FIND, times=9)

    with pytest.raises((errors.AccessDenied, errors.Unavailable)):
        samples.sample_batch(studies)


def test_of_an_instance_that_comes_twice_nothing_is_known(
    fake: FakeOrthanc, samples: FindSamples, studies: list[Study]
) -> None:
    fake.inject(edited(lambda found: found.append(found[0])), path=FIND, times=2)

    assert [bool(series) for series in samples.sample_batch(studies)].count(True) == 1
