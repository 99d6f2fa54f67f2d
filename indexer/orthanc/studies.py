"""Reading one study whole, in 2 + instances / page requests, and knowing that it was whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.errors import StudyChanging, StudyVanished
from indexer.model import Copy, Instance, Series, Study
from indexer.orthanc import answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.orthanc.answers import Answer
    from indexer.orthanc.client import Client

Found = dict[str, dict[str, Instance]]
"""Instances that were read, by Orthanc id, by Orthanc id of their series."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """What stands at one moment: the study's LastUpdate and each series with its list of instances."""

    last_update: str | None
    series: Mapping[str, Answer]

    def missing(self, found: Found) -> list[str]:
        return [
            orthanc_id
            for series_id, answer in self.series.items()
            for orthanc_id in answer.texts("Instances")
            if orthanc_id not in found.get(series_id, {})
        ]

    def fits(self, opened: Answer, found: Found) -> bool:
        """Whether these are the series of the beginning, with the instances that were read: none missing, none more."""
        listed = sum(len(answer.texts("Instances")) for answer in self.series.values())
        return (
            set(opened.texts("Series")) == set(self.series)
            and sum(map(len, found.values())) == listed
            and not self.missing(found)
        )


def read(client: Client, copy: Copy, page_size: int) -> Study:
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
    opened = client.study(copy.orthanc_id)
    if opened is None:
        raise _vanished()
    if answers.uid(opened, "StudyInstanceUID") != copy.study_instance_uid:
        raise opened.violation("StudyInstanceUID")
    found: Found = {}
    standing = None
    if client.has_extended_find():
        found = _find(client, copy.orthanc_id, set(opened.texts("Series")), page_size)
        standing = _unmoved(opened, client.find_series(copy.orthanc_id), found)
    return _study(copy, opened, standing or _asked_by_id(client, copy, opened, found, page_size), found)


def _unmoved(opened: Answer, closed: Sequence[Answer], found: Found) -> _Standing | None:
    """How the series stand at the end, if it is certain that nothing moved; None where it has to be asked by id.

    Whatever moves a series moves its LastUpdate, and its study's with it. So one that is not later than what the study
    said at first did not move. Where several Orthancs with different clocks share a database it may be later for ever,
    and ``LimitFindResults`` may cut the list: the study's own LastUpdate and the ids of the series decide then.
    """
    standing = _Standing(_last_update(opened), {answer.text("ID"): answer for answer in closed})
    began = standing.last_update or ""
    touched = [answer.part("Metadata").json.get("LastUpdate") for answer in closed]
    is_certain = all(isinstance(moment, str) and moment <= began for moment in touched)
    return standing if is_certain and standing.fits(opened, found) else None


def _asked_by_id(client: Client, copy: Copy, opened: Answer, found: Found, page_size: int) -> _Standing:
    """What stands, by ``tools/bulk-content``; reads into `found` what is missing there."""
    closing = [*opened.texts("Series"), copy.orthanc_id]
    standing = _standing(client.bulk(closing, has_metadata=True))
    missing = standing.missing(found)
    if missing:
        standing = _pages_by_id(client, missing, found, closing, page_size)
    if _last_update(opened) != standing.last_update or not standing.fits(opened, found):
        raise _changing()
    return standing


def _find(client: Client, study_id: str, series_ids: set[str], page_size: int) -> Found:
    """Pages of ``tools/find``; one row more than a page is asked for, and tells whether there is a next one."""
    found: Found = {}
    since = 0
    while True:
        page = client.find_instances(study_id, since, page_size + 1)
        for answer in page[:page_size]:
            if answer.text("ParentSeries") not in series_ids:
                client.forget_probe()
                raise _changing()
            _keep(found, answer)
        if len(page) <= page_size:
            return found
        since += page_size


def _pages_by_id(
    client: Client, missing: Sequence[str], found: Found, closing: Sequence[str], page_size: int
) -> _Standing:
    """Pages of ``tools/bulk-content``; the last one tells at its end how everything stands."""
    pages = [missing[start : start + page_size] for start in range(0, len(missing), page_size)]
    for page in pages[:-1]:
        for answer in client.bulk(page, has_metadata=True):
            _keep(found, answer)
    closed: list[Answer] = []
    for answer in client.bulk([*pages[-1], *closing], has_metadata=True):
        if answer.text("Type") == "Instance":
            _keep(found, answer)
        else:
            closed.append(answer)
    return _standing(closed)


def _keep(found: Found, answer: Answer) -> None:
    found.setdefault(answer.text("ParentSeries"), {})[answer.text("ID")] = answers.instance(answer)


def _standing(closed: Sequence[Answer]) -> _Standing:
    studies = [answer for answer in closed if answer.text("Type") == "Study"]
    if not studies:
        raise _vanished()
    series = {answer.text("ID"): answer for answer in closed if answer.text("Type") == "Series"}
    if set(studies[0].texts("Series")) != set(series):
        raise _changing()
    return _Standing(_last_update(studies[0]), series)


def _study(copy: Copy, opened: Answer, standing: _Standing, found: Found) -> Study:
    made = [
        Series(
            series_instance_uid=answers.uid(answer, "SeriesInstanceUID"),
            attributes=answer.tags("MainDicomTags"),
            instances=tuple(sorted(found.get(series_id, {}).values(), key=lambda one: one.sop_instance_uid)),
        )
        for series_id, answer in standing.series.items()
    ]
    return Study(
        study_instance_uid=copy.study_instance_uid,
        source=copy.source,
        attributes=opened.tags("PatientMainDicomTags", "MainDicomTags"),
        series=tuple(sorted(made, key=lambda one: one.series_instance_uid)),
        last_update=standing.last_update,
    )


def _last_update(answer: Answer) -> str | None:
    said = answer.json.get("LastUpdate")
    return said if isinstance(said, str) else None


def _vanished() -> StudyVanished:
    return StudyVanished("the source does not hold this study", cause="vanished")


def _changing() -> StudyChanging:
    return StudyChanging("the study changed while it was read", cause="changing", hint="It is read again soon.")
