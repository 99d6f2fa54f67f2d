"""Reading one study whole, in 2 + instances / page requests, and knowing that it was whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.batched import batched
from indexer.errors import StudyChanging, StudyVanished
from indexer.orthanc import answers
from indexer.orthanc.answers import instance
from indexer.orthanc.snapshot import Snapshot, assembled, keep, last_update, unmoved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.model import Study, StudyLocation
    from indexer.orthanc.answers import Answer
    from indexer.orthanc.client import Client
    from indexer.orthanc.snapshot import Found


def read(client: Client, location: StudyLocation, page_size: int) -> Study:
    """Read a study.

    The first request tells LastUpdate and the series, the last one tells how the series stand then, each with its own
    list of instances. What ``tools/find`` left out (``LimitFindInstances`` cuts without a word) is asked for by id.

    Raises
    ------
    StudyVanished
        If it does not exist.
    StudyChanging
        If anything moved between the first request and the last.
    """
    opened = client.study(location.location_id)
    if opened is None:
        raise _vanished()
    if answers.uid(opened, "StudyInstanceUID") != location.study_instance_uid:
        raise opened.violation("StudyInstanceUID")
    found: Found = {}
    snapshot = None
    if client.has_extended_find():
        found = _find(client, location.location_id, set(opened.texts("Series")), page_size)
        snapshot = unmoved(opened, client.find_series(location.location_id), found)
    return assembled(location, opened, snapshot or _asked_by_id(client, location, opened, found, page_size), found)


def _asked_by_id(client: Client, location: StudyLocation, opened: Answer, found: Found, page_size: int) -> Snapshot:
    """What stands, by ``tools/bulk-content``; reads into `found` what is missing there."""
    closing = [*opened.texts("Series"), location.location_id]
    snapshot = _snapshot(client.bulk(closing, has_metadata=True))
    missing = snapshot.missing(found)
    if missing:
        snapshot = _pages_by_id(client, missing, found, closing, page_size)
    if last_update(opened) != snapshot.last_update or not snapshot.fits(opened, found):
        raise _changing()
    return snapshot


def _find(client: Client, study_id: str, series_ids: set[str], page_size: int) -> Found:
    """Pages of ``tools/find``; one row more than a page is asked for, and tells whether there is a next one."""
    found: Found = {}
    since = 0
    while True:
        page = client.find_instances(study_id, since, page_size + 1)
        keep(found, page[:page_size])
        if not found.keys() <= series_ids:
            client.forget_probe()
            raise _changing()
        if len(page) <= page_size:
            return found
        since += page_size


def _pages_by_id(
    client: Client, missing: Sequence[str], found: Found, closing: Sequence[str], page_size: int
) -> Snapshot:
    """Pages of ``tools/bulk-content``; the last one tells at its end how everything stands."""
    closed: list[Answer] = []
    for page in batched(missing, page_size):
        is_last = page[-1] == missing[-1]
        answered = client.bulk([*page, *(closing if is_last else ())], has_metadata=True)
        closed = [answer for answer in answered if answer.text("Type") != "Instance"]
        keep(found, (instance(answer.json, answer.peer) for answer in answered if answer.text("Type") == "Instance"))
    return _snapshot(closed)


def _snapshot(closed: Sequence[Answer]) -> Snapshot:
    studies = [answer for answer in closed if answer.text("Type") == "Study"]
    if not studies:
        raise _vanished()
    series = {answer.text("ID"): answer for answer in closed if answer.text("Type") == "Series"}
    if set(studies[0].texts("Series")) != set(series):
        raise _changing()
    return Snapshot(last_update(studies[0]), series)


def _vanished() -> StudyVanished:
    return StudyVanished("the source does not hold this study", cause="vanished")


def _changing() -> StudyChanging:
    return StudyChanging("the study changed while it was read", cause="changing", hint="It is read again soon.")
