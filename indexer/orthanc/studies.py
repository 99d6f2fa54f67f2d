"""Reading one study whole, in 2 + instances / page requests, and knowing that it was whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.batched import batched
from indexer.errors import StudyChanging, StudyVanished
from indexer.orthanc import answers
from indexer.orthanc.snapshot import assembled, keep, last_update, unmoved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.model import Study, StudyLocation
    from indexer.orthanc.answers import Answer
    from indexer.orthanc.client import Client
    from indexer.orthanc.snapshot import InstancesBySeries


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
    by_series: InstancesBySeries = {}
    study = None
    if client.has_extended_find():
        by_series = _find(client, location.location_id, set(opened.texts("Series")), page_size)
        study = unmoved(location, opened, client.find_series(location.location_id), by_series)
    return study or _asked_by_id(client, location, opened, by_series, page_size)


def _asked_by_id(
    client: Client, location: StudyLocation, opened: Answer, by_series: InstancesBySeries, page_size: int
) -> Study:
    """The study by ``tools/bulk-content``, which is asked for the instances that are missing in `by_series`, too."""
    closing = [*opened.texts("Series"), location.location_id]
    study, series = _closed(client.bulk(closing, has_metadata=True))
    missing = [
        orthanc_id
        for answer in series
        for orthanc_id in answer.texts("Instances")
        if orthanc_id not in by_series.get(answer.text("ID"), {})
    ]
    if missing:
        study, series = _pages_by_id(client, missing, by_series, closing, page_size)
    whole = assembled(location, opened, series, by_series) if last_update(opened) == last_update(study) else None
    if whole is None:
        raise _changing()
    return whole


def _find(client: Client, study_id: str, series_ids: set[str], page_size: int) -> InstancesBySeries:
    """Pages of ``tools/find``; one row more than a page is asked for, and tells whether there is a next one."""
    by_series: InstancesBySeries = {}
    since = 0
    while True:
        page = client.find_instances(study_id, since, page_size + 1)
        keep(by_series, page[:page_size])
        if not by_series.keys() <= series_ids:
            client.forget_probe()
            raise _changing()
        if len(page) <= page_size:
            return by_series
        since += page_size


def _pages_by_id(
    client: Client, missing: Sequence[str], by_series: InstancesBySeries, closing: Sequence[str], page_size: int
) -> tuple[Answer, list[Answer]]:
    """Pages of ``tools/bulk-content``; the last one tells at its end how everything stands."""
    closed: list[Answer] = []
    for page in batched(missing, page_size):
        is_last = page[-1] == missing[-1]
        closed = client.bulk([*page, *(closing if is_last else ())], has_metadata=True)
        instances = [answer for answer in closed if answer.text("Type") == "Instance"]
        keep(by_series, (answers.instance(answer.json, answer.peer) for answer in instances))
    return _closed(closed)


def _closed(closed: Sequence[Answer]) -> tuple[Answer, list[Answer]]:
    """The study and its series as they stand at the end."""
    studies = [answer for answer in closed if answer.text("Type") == "Study"]
    if not studies:  # deleted a moment ago, or left out by mistake: the next read asks for it alone
        raise _changing()
    series = [answer for answer in closed if answer.text("Type") == "Series"]
    if set(studies[0].texts("Series")) != {answer.text("ID") for answer in series}:
        raise _changing()
    return studies[0], series


def _vanished() -> StudyVanished:
    return StudyVanished("the source does not hold this study", cause="vanished")


def _changing() -> StudyChanging:
    return StudyChanging("the study changed while it was read", cause="changing", hint="It is read again soon.")
