"""Reading several small studies at once: two requests, and one for each page of instances.

For each ``tools/find`` an Orthanc on SQLite goes through all its resources of that level. Asked for many studies at a
time it does so once for all of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from indexer.model import is_uid_like
from indexer.orthanc.snapshot import keep, unmoved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from indexer.model import Study, StudyLocation
    from indexer.orthanc.answers import Answer
    from indexer.orthanc.client import Client
    from indexer.orthanc.snapshot import InstancesBySeries

_COUNT: Final = re.compile(r"[0-9]{1,12}")
_NUMBER_OF_STUDY_RELATED_INSTANCES: Final = "0020,1208"


def read(client: Client, locations: Iterable[StudyLocation], page_size: int) -> dict[StudyLocation, Study]:
    """Those of these studies that could be read whole, and certainly did not move meanwhile.

    What is left out says nothing of a study: `studies.read` reads it, and tells what is wrong with it.
    """
    askable = [location for location in locations if is_uid_like(location.study_instance_uid)]
    if len(askable) < 2 or not client.has_extended_find():
        return {}
    opened = _opened(client, askable)
    counts = {location: _instances(answer) for location, answer in opened.items()}
    small = {location: count for location, count in counts.items() if count is not None and count <= page_size}
    if not small:
        return {}
    by_series: InstancesBySeries = {}
    for page in _pages(small, page_size):
        keep(by_series, client.find_instances_of(_uids(page), page_size))
    closed = _by_study(client.find_series_of(_uids(small)))
    return dict(_whole(((location, opened[location]) for location in small), closed, by_series))


def _opened(client: Client, locations: Sequence[StudyLocation]) -> dict[StudyLocation, Answer]:
    answers = {answer.text("ID"): answer for answer in client.find_studies(_uids(locations))}
    return {location: answers[location.location_id] for location in locations if location.location_id in answers}


def _instances(opened: Answer) -> int | None:
    """How many instances the study had at first; None if Orthanc did not count them."""
    requested = opened.json.get("RequestedTags")
    count = requested.get(_NUMBER_OF_STUDY_RELATED_INSTANCES) if isinstance(requested, dict) else None
    return int(count) if isinstance(count, str) and _COUNT.fullmatch(count) else None


def _pages(counts: Mapping[StudyLocation, int], page_size: int) -> Iterator[list[StudyLocation]]:
    """Studies whose instances fit into one page together."""
    page: list[StudyLocation] = []
    room = page_size
    for location, count in counts.items():
        if count > room:
            yield page
            page, room = [], page_size
        page.append(location)
        room -= count
    yield page


def _by_study(closed: Iterable[Answer]) -> Mapping[str, list[Answer]]:
    grouped: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in closed:
        grouped[answer.text("ParentStudy")].append(answer)
    return grouped


def _whole(
    opened: Iterable[tuple[StudyLocation, Answer]], closed: Mapping[str, list[Answer]], by_series: InstancesBySeries
) -> Iterator[tuple[StudyLocation, Study]]:
    for location, answer in opened:
        read = {series_id: by_series[series_id] for series_id in answer.texts("Series") if series_id in by_series}
        study = unmoved(location, answer, closed.get(location.location_id, ()), read)
        if study is not None:
            yield location, study


def _uids(locations: Iterable[StudyLocation]) -> list[str]:
    return [location.study_instance_uid for location in locations]
