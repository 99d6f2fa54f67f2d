"""The list of a whole archive is read as it arrives, whatever its length."""

import itertools
import json
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import ProtocolViolation
from indexer.model import StudyLocation
from indexer.orthanc import OrthancSource
from indexer.orthanc.id_list import IdList
from indexer.transport import Transport
from tests.fakes.orthanc import FakeOrthanc, Reply
from tests.samples import generate, store_rest
from tests.unit.any_json import ANY

IDS = st.binary(min_size=20, max_size=20).map(lambda raw: raw.hex("-", -4))


def read(body: bytes, *cuts: int, after: str = "") -> list[str]:
    ids = IdList("orthanc main", after)
    places = sorted({0, *(cut % (len(body) + 1) for cut in cuts), len(body)})
    for begin, end in itertools.pairwise(places):
        ids.feed(body[begin:end])
    return list(ids.in_order())


@given(ids=st.lists(IDS), cuts=st.lists(st.integers(0, 10**6)), indent=st.sampled_from([None, 0, 3]), after=IDS)
def test_any_list_in_any_pieces(ids: list[str], cuts: list[int], indent: int | None, after: str) -> None:
    body = json.dumps(ids, indent=indent).encode()
    assert read(body, *cuts) == sorted(set(ids))
    assert read(body, *cuts, after=after) == sorted({orthanc_id for orthanc_id in ids if orthanc_id > after})


@given(body=st.binary(max_size=80) | ANY.map(lambda value: json.dumps(value).encode()), cuts=st.lists(st.integers(0)))
def test_anything_else_is_the_server_s_failure(body: bytes, cuts: list[int]) -> None:
    if body.split() != [b"[]"] and body.split() != [b"[", b"]"]:
        with pytest.raises(ProtocolViolation):
            read(body, *cuts)


ID = b'"00000000-11111111-22222222-33333333-44444444"'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[" + ID,
        ID,
        b"[" + ID + b",]",
        b"[," + ID + b"]",
        b"[" + ID + b"]]",
        b"[[" + ID + b"]]",
        b" " * 9999,
    ],
)
def test_a_list_without_a_beginning_or_an_end(body: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        read(body)


def test_an_item_without_an_end_is_not_collected() -> None:
    ids = IdList("orthanc main")
    with pytest.raises(ProtocolViolation):
        any(map(ids.feed, [b'["' + b"0" * 1000] * 10))


def archive_of(studies: int) -> Iterator[bytes]:
    """A list of ids that are as evenly spread as digests are."""
    yield b"["
    for number in range(studies):
        yield b'%s\n "%08x-11111111-22222222-33333333-44444444"' % (
            b"," if number else b"",
            number * 2654435761 % 2**32,
        )
    yield b"]"


def test_an_id_takes_little_more_than_its_twenty_bytes() -> None:
    tracemalloc.start()
    ids = IdList("orthanc main")
    for piece in archive_of(50_000):
        ids.feed(piece)
    count = sum(1 for _ in ids.in_order())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 50_000 * 30 + 200_000


@pytest.fixture
def narrow(fake: FakeOrthanc) -> Iterator[OrthancSource]:
    """A source that reads no answer of more than 20,000 bytes."""
    transport = Transport(fake.url, peer="orthanc main", max_bytes=20_000)
    yield OrthancSource(transport, "main")
    transport.close()


def longer_list(count: int) -> Callable[[Reply], Reply]:
    """The list of studies with some more, of which each one is gone by the time it is asked for."""

    def longer(reply: Reply) -> Reply:
        gone = [f"{number:08x}-11111111-22222222-33333333-44444444" for number in range(count)]
        return Reply(body=json.dumps(json.loads(reply.body) + gone).encode())

    return longer


def test_a_list_longer_than_any_other_answer_is_read(fake: FakeOrthanc, narrow: OrthancSource) -> None:
    store_rest(fake, generate(studies=3))
    locations = list(narrow.list_locations())
    fake.inject(longer_list(1000), path="/studies", times=1)

    assert list(narrow.list_locations()) == locations
    fake.inject(longer_list(1000), path="/studies", times=1)
    assert list(narrow.list_locations(locations[0].location_id)) == locations[1:]


def test_a_list_that_breaks_off_is_no_list(fake: FakeOrthanc, narrow: OrthancSource) -> None:
    store_rest(fake, generate(studies=3))
    fake.inject(lambda reply: Reply(body=reply.body[: len(reply.body) // 2]), path="/studies")
    listed: list[StudyLocation] = []
    with pytest.raises(ProtocolViolation):
        listed.extend(narrow.list_locations())
    assert not listed
