"""Real Orthancs behind a proxy that answers wrongly for a while: no change is lost, and no study counts as deleted."""

from collections.abc import Iterator

import pytest

from indexer.errors import ProtocolViolation, StudyVanished, Unavailable
from indexer.model import FeedPosition, StudyLocation
from indexer.orthanc import OrthancFeed, OrthancSource
from indexer.transport import Transport
from tests import proxy as faults
from tests.contract.source_cases import Case, on_real
from tests.proxy.faults import Fault
from tests.samples import generate


@pytest.fixture
def proxy(case: Case) -> Iterator[faults.Proxy]:
    with faults.Proxy(case.orthanc.url) as running:
        yield running


@pytest.fixture
def source(proxy: faults.Proxy) -> Iterator[OrthancSource]:
    """The Orthanc behind the proxy."""
    transport = Transport(proxy.url, peer="orthanc main", timeout_s=10)
    yield OrthancSource(transport, "main")
    transport.close()


def changed(source: OrthancSource) -> set[StudyLocation]:
    pages = OrthancFeed(source).pages(FeedPosition(), lambda: True)
    return {location for page in pages for location in page.locations}


def is_bulk(request: faults.Recorded) -> bool:
    return request.path == "/tools/bulk-content"


@on_real
@pytest.mark.parametrize("answer", [b"[]", b"[null]", b"[null, null, null]"])
def test_changes_survive_answers_without_the_resources(
    answer: bytes, case: Case, proxy: faults.Proxy, source: OrthancSource
) -> None:
    case.store(generate(studies=3, series=2, instances=2))
    proxy.inject(Fault(name="left out", edit=lambda _: answer), when=is_bulk, times=None)
    with pytest.raises(ProtocolViolation):
        changed(source)
    assert proxy.faults_injected
    proxy.heal()
    assert changed(source) == set(case.locations())


@on_real
def test_an_empty_list_of_an_archive_that_is_not_empty(case: Case, proxy: faults.Proxy, source: OrthancSource) -> None:
    assert list(source.list_locations()) == []
    case.store(generate())
    proxy.inject(Fault(name="empty", edit=lambda _: b"[]"), when=lambda request: request.path == "/studies")
    with pytest.raises(ProtocolViolation):
        list(source.list_locations())
    assert list(source.list_locations()) == case.locations()


@on_real
@pytest.mark.parametrize("path", ["/", "/studies"])
def test_a_404_of_everything_deletes_nothing(path: str, case: Case, proxy: faults.Proxy, source: OrthancSource) -> None:
    datasets = generate()
    case.store(datasets)
    (location,) = case.locations()
    page = faults.status(404, {"Content-Type": "text/html"}, b"<html>Not Found</html>")
    proxy.inject(page, when=lambda request: request.path.startswith(path), times=None)
    with pytest.raises(Unavailable):
        source.read(location)
    with pytest.raises(Unavailable):
        source.holds(location.location_id)
    proxy.heal()
    assert source.read(location).study_instance_uid == location.study_instance_uid
    case.delete(datasets[0], "studies")
    with pytest.raises(StudyVanished):
        source.read(location)
