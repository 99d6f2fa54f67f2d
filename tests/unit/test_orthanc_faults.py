"""What a real Orthanc cannot be made to show, shown by the fake."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from indexer import errors
from indexer.orthanc import OrthancSource
from indexer.orthanc.position import ChangePage, Level
from indexer.transport import Transport, basic
from tests.fakes.orthanc import FakeOrthanc, Reply
from tests.samples import generate, store_rest
from tests.unit.orthanc_source import edited, only_copy

UNKNOWN = "00000000-00000000-00000000-00000000-00000000"


def seqs(page: ChangePage) -> list[int]:
    return [one.seq for one in page.changes]


def test_a_hole_in_seq(fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    fake.skip_seq(3)
    store_rest(fake, generate(seed="other"))

    assert seqs(source.changes(0, 100)) == [1, 2, 3, 4, 8, 9, 10, 11]


def test_a_lower_seq_shows_up_after_a_higher_one(fake: FakeOrthanc, source: OrthancSource) -> None:
    with fake.uncommitted():
        store_rest(fake, generate())
    store_rest(fake, generate(seed="other"))
    early = seqs(source.changes(0, 100))

    fake.commit()

    assert early == [5, 6, 7, 8]
    assert seqs(source.changes(0, 100)) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("last", [0, 3, 4000, -7])
def test_last_of_an_empty_page_is_handed_on_as_it_is(last: int, fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    fake.last_of_empty_page = last

    page = source.changes(4, 100)

    assert (page.changes, page.done, page.last) == ((), True, last)


def test_a_replaced_database(fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate(studies=2))
    fake.replace_database()

    assert source.changes(8, 100).last == 0
    assert list(source.list_locations()) == []


def test_types_of_a_newer_orthanc_are_kept(fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    new = {"ChangeType": "ShinyFrame", "ResourceType": "Frame"}
    fake.inject(edited(lambda found: found["Changes"][0].update(new)), path="/changes")
    fake.inject(edited(lambda found: found["Changes"][0].pop("ResourceType")), path="/changes")

    for _ in range(2):
        first = source.changes(0, 100).changes[0]
        assert first.level is None
        assert first.seq == 1


def first_row(**changes: object) -> Callable[[Any], object]:
    return lambda found: found["Changes"][0].update(changes)


@pytest.mark.parametrize(
    "edit",
    [
        first_row(Seq="1"),
        first_row(Seq=True),
        first_row(Seq=None),
        first_row(Seq=-4),
        first_row(Seq=0),
        first_row(Seq=2),
        first_row(ID=5),
        first_row(Date=None),
        first_row(Date="20241301T120000"),
        first_row(Date="00010101T000000"),
        first_row(Date="99991231T235959"),
        first_row(ChangeType=[]),
        lambda found: found["Changes"].reverse(),
        lambda found: found["Changes"].append("row"),
        lambda found: found.pop("Changes"),
        lambda found: found.update(Changes={}),
        lambda found: found.update(Changes=[], Done=False),
        lambda found: found.update(Done=0),
        lambda found: found.pop("Last"),
        lambda found: found.update(Last="4"),
        lambda found: found.update(Last=4.5),
        lambda found: found.update(Last=2**63),
        lambda found: found["Changes"][-1].update(Seq=2**63),
    ],
)
def test_a_page_that_is_broken(edit: Callable[[Any], object], fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    fake.inject(edited(edit), path="/changes")

    with pytest.raises(errors.ProtocolViolation, match="orthanc main"):
        source.changes(0, 100)


def test_rows_that_were_asked_for_never(fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    fake.inject(edited(lambda found: found["Changes"][0].update(Seq=2)), path="/changes")

    with pytest.raises(errors.ProtocolViolation):
        source.changes(2, 100)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda reply: replace(reply, cut_at=len(reply.body) // 2), errors.Unavailable),
        (lambda _: Reply(is_dropped=True), errors.Unavailable),
        (lambda _: Reply(500), errors.Unavailable),
        (lambda _: Reply(503), errors.Unavailable),
        (lambda _: Reply(body=b"<html>sign in</html>", kind="text/html"), errors.ProtocolViolation),
        (lambda reply: replace(reply, body=reply.body[:-1]), errors.ProtocolViolation),
        (lambda _: Reply(body=b"7"), errors.ProtocolViolation),
        (lambda _: Reply(body=b"[7]"), errors.ProtocolViolation),
        (lambda _: Reply(401), errors.AccessDenied),
        (lambda _: Reply(302), errors.ProtocolViolation),
    ],
)
@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/changes", lambda source: source.changes(0, 10)),
        ("/system", lambda source: source.ping()),
        ("/studies", lambda source: list(source.list_locations())),
        ("/tools/bulk-content", lambda source: source.locate({UNKNOWN: Level.STUDY})),
        ("/tools/find", lambda source: source.read(only_copy(source))),
    ],
)
def test_an_answer_that_is_none(
    path: str,
    call: Callable[[OrthancSource], object],
    change: Callable[[Reply], Reply],
    expected: type,
    fake: FakeOrthanc,
    source: OrthancSource,
) -> None:
    store_rest(fake, generate())
    if path == "/tools/find":
        location = only_copy(source)
        call = lambda one: one.read(location)  # noqa: E731
    fake.inject(change, path=path, times=2)

    with pytest.raises(expected):
        call(source)
    fake.heal()
    call(source)


def test_a_slow_answer_ends_by_the_deadline(fake: FakeOrthanc, connect: Callable[..., OrthancSource]) -> None:
    source = OrthancSource(Transport(fake.url, peer="orthanc main", timeout_s=0.3), "main")
    fake.inject(lambda reply: replace(reply, wait_s=20), path="/system")

    with pytest.raises(errors.Unavailable, match="no whole answer in time"):
        source.ping()


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"yesterday",
        b"20240101T1200",
        b"20240101T120000 UTC",
        b"\xff" * 15,
        b"20241301T120000",
        b"00010101T000000",
        b"99991231T235959",
    ],
)
def test_a_time_that_is_none(told: bytes, fake: FakeOrthanc, source: OrthancSource) -> None:
    fake.inject(lambda reply: replace(reply, body=told), path="/tools/now")

    with pytest.raises(errors.ProtocolViolation):
        source.server_time()


def test_a_password(connect: Callable[..., OrthancSource]) -> None:
    with FakeOrthanc(username="indexer", password="geheim") as fake:
        assert connect(fake.url, auth=basic("indexer", "geheim")).ping() == "1.12.7"
        with pytest.raises(errors.AccessDenied) as raised:
            connect(fake.url, auth=basic("indexer", "falsch")).ping()

    assert raised.value.status == 401
    assert "falsch" not in str(raised.value) + raised.value.hint


def test_the_authorization_plugin_leaves_bulk_content_out(fake: FakeOrthanc, source: OrthancSource) -> None:
    fake.inject(lambda _: Reply(403), path="/tools/bulk-content")

    with pytest.raises(errors.AccessDenied) as raised:
        source.locate({UNKNOWN: Level.STUDY})

    assert "/tools/bulk-content" in raised.value.hint


def test_a_wrong_password_is_not_taken_for_a_missing_right(fake: FakeOrthanc, source: OrthancSource) -> None:
    fake.inject(lambda _: Reply(401), path="/tools/bulk-content")

    with pytest.raises(errors.AccessDenied) as raised:
        source.locate({UNKNOWN: Level.STUDY})

    assert "/tools/bulk-content" not in raised.value.hint


@pytest.mark.parametrize(("status", "is_told"), [(404, True), (405, True), (400, False)])
def test_an_orthanc_before_bulk_content(status: int, is_told: bool, fake: FakeOrthanc, source: OrthancSource) -> None:
    fake.inject(lambda _: Reply(status), path="/tools/bulk-content")

    with pytest.raises(errors.Refused) as raised:
        source.locate({UNKNOWN: Level.STUDY})

    assert ("1.9.4" in raised.value.hint) == is_told


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404),
        Reply(403),
        Reply(body=b"{}"),
        Reply(body=b'{"RootUri": null}'),
        Reply(body=b'{"RootUri": "../ui/app/index.html"}'),
        Reply(body=b'{"RootUri": "../../x/app/client/index.html"}'),
        Reply(body=b'{"RootUri": "../a/../b/app/client/index.html"}'),
        Reply(body=b'{"RootUri": "../a?b/app/client/index.html"}'),
    ],
)
def test_a_dicomweb_root_that_is_not_told_is_the_usual_one(
    reply: Reply, fake: FakeOrthanc, source: OrthancSource
) -> None:
    fake.inject(lambda _: reply, path="/plugins/")

    assert source.dicomweb_root == "/dicom-web"


@pytest.mark.parametrize(("status", "expected"), [(401, errors.AccessDenied), (503, errors.Unavailable)])
def test_the_dicomweb_root_is_not_guessed_while_orthanc_is_away(
    status: int, expected: type, fake: FakeOrthanc, source: OrthancSource
) -> None:
    found = Reply(body=b'{"RootUri": "../pacs/dw/app/client/index.html"}')
    fake.inject(lambda _: Reply(status), path="/plugins/")
    fake.inject(lambda _: found, path="/plugins/", times=9)

    with pytest.raises(expected):
        _ = source.dicomweb_root
    assert source.dicomweb_root == source.dicomweb_root == "/pacs/dw"
    assert [path for _, path in fake.requests] == ["/plugins/dicom-web"] * 2
