"""Whatever an Orthanc answers, nothing but an `IndexerError` leaves the edge."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.dicomweb import DicomWebSamples
from indexer.errors import IndexerError
from indexer.mapping import map_study
from indexer.model import FeedPosition
from indexer.orthanc import OrthancFeed, OrthancSource
from indexer.transport import Response, Transport
from indexer.transport.faults import refusal
from tests.fakes.orthanc import FakeOrthanc
from tests.samples import generate, store_rest
from tests.unit.any_json import spoil
from tests.unit.mapping.studies import rules

KEYWORDS: Final = ("PatientID", "IssuerOfPatientID", "PatientName", "RequestAttributesSequence")


class Spoiling:
    """A transport to a fake in this process that spoils one of its answers."""

    peer = "orthanc main"

    def __init__(self, fake: FakeOrthanc, root: str = "") -> None:
        self._fake = fake
        self._root = root
        self.count = 0
        self.spoiled: int | None = None
        self.spoil: Callable[[bytes], bytes] = lambda body: body

    def request(self, method: str, path: str, **options: Any) -> Response:
        target = f"{self._root}{path}?{urlencode(options.get('params') or {})}"
        reply = self._fake.answer(method, target, options.get("body") or b"", None)
        body = reply.body
        if self.count == self.spoiled:
            body = self.spoil(body)
        self.count += 1
        response = Response(status=reply.status, headers={"Content-Type": reply.kind}, body=body, peer=self.peer)
        if not 200 <= reply.status < 300 and reply.status not in options.get("accept_statuses", ()):
            raise refusal(method, response, is_safe=True)
        if "take" in options:
            options["take"](body)
        return response


def everything(transport: Spoiling, dicomweb: Spoiling) -> None:
    """Ask for all that is ever asked of an Orthanc."""
    source = OrthancSource(cast("Transport", transport), "main")
    assert source.dicomweb_root
    source.ping()
    list(OrthancFeed(source).pages(FeedPosition(), lambda: True))
    locations = list(source.list_locations())
    ids = [location.location_id for location in locations]
    source.study_attributes(ids)
    source.modalities(ids)
    for location in locations[:1]:
        source.find(location.study_instance_uid)
    studies = [source.read(location) for location in locations]
    studies += source.read_batch(locations).values()
    over_dicomweb = DicomWebSamples(cast("Transport", dicomweb), files=source.file_heads(KEYWORDS))
    for samples in (source.samples(KEYWORDS, over_dicomweb, 3), over_dicomweb):
        for study in studies:
            map_study(replace(study, series=samples.sample(study), is_sampled=True), rules())


@pytest.fixture(scope="module", params=["1.10", "1.12"])
def archive(request: pytest.FixtureRequest) -> FakeOrthanc:
    fake = FakeOrthanc(request.param, stable_age_s=1e9)
    with fake:
        store_rest(fake, generate(studies=2, series=2, instances=2, issuers=["A"]))
    return fake


@pytest.fixture(scope="module")
def requests(archive: FakeOrthanc) -> int:
    """How many answers there are to spoil."""
    transport, dicomweb = Spoiling(archive), Spoiling(archive, "/dicom-web")
    everything(transport, dicomweb)
    assert dicomweb.count
    return transport.count + dicomweb.count


def asked(archive: FakeOrthanc, number: int, spoil_body: Callable[[bytes], bytes]) -> None:
    transport, dicomweb = Spoiling(archive), Spoiling(archive, "/dicom-web")
    transport.spoil = dicomweb.spoil = spoil_body
    transport.spoiled = dicomweb.spoiled = number
    with contextlib.suppress(IndexerError):
        everything(transport, dicomweb)


@settings(max_examples=150, deadline=None)
@given(draw=st.data())
def test_any_json_at_any_place(archive: FakeOrthanc, requests: int, draw: st.DataObject) -> None:
    def spoilt(body: bytes) -> bytes:
        try:
            return spoil(body, draw)
        except ValueError:  # a file, or a time
            return draw.draw(st.binary(max_size=40))

    asked(archive, draw.draw(st.integers(0, requests)), spoilt)


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 60), body=st.binary(max_size=60))
def test_any_bytes(archive: FakeOrthanc, number: int, body: bytes) -> None:
    asked(archive, number, lambda _: body)


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 60), cut=st.floats(0, 1))
def test_any_beginning(archive: FakeOrthanc, number: int, cut: float) -> None:
    asked(archive, number, lambda body: body[: int(len(body) * cut)])
