"""Reading several small studies at once: two requests, and one for each page of instances.

For each ``tools/find`` an Orthanc on SQLite goes through all its resources of that level. Asked for many studies at a
time it does so once for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from indexer.model import is_uid_like
from indexer.orthanc.standing import assembled, keep, unmoved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from indexer.model import Copy, Study
    from indexer.orthanc.answers import Answer
    from indexer.orthanc.client import Client
    from indexer.orthanc.standing import Found

_NUMBER_OF_STUDY_RELATED_INSTANCES: Final = "0020,1208"


def read(client: Client, copies: Iterable[Copy], page_size: int) -> dict[Copy, Study]:
    """Those of these studies that could be read whole, and certainly did not move meanwhile.

    What is left out says nothing of a study: `studies.read` reads it, and tells what is wrong with it.
    """
    askable = [copy for copy in copies if is_uid_like(copy.study_instance_uid)]
    if len(askable) < 2 or not client.has_extended_find():
        return {}
    opened = _opened(client, askable)
    counts = {copy: _instances(answer) for copy, answer in opened.items()}
    small = {copy: count for copy, count in counts.items() if count is not None and count <= page_size}
    if not small:
        return {}
    found: Found = {}
    for page in _pages(small, page_size):
        for answer in client.find_instances_of(_uids(page), page_size):
            keep(found, answer)
    closed = _by_study(client.find_series_of(_uids(small)))
    return dict(_whole(((copy, opened[copy]) for copy in small), closed, found))


def _opened(client: Client, copies: Sequence[Copy]) -> dict[Copy, Answer]:
    found = {answer.text("ID"): answer for answer in client.find_studies(_uids(copies))}
    return {copy: found[copy.orthanc_id] for copy in copies if copy.orthanc_id in found}


def _instances(opened: Answer) -> int | None:
    """How many instances the study had at first; None if Orthanc did not count them."""
    requested = opened.json.get("RequestedTags")
    said = requested.get(_NUMBER_OF_STUDY_RELATED_INSTANCES) if isinstance(requested, dict) else None
    return int(said) if isinstance(said, str) and said.isdecimal() else None


def _pages(counts: Mapping[Copy, int], page_size: int) -> Iterator[list[Copy]]:
    """Studies whose instances fit into one page together."""
    page: list[Copy] = []
    room = page_size
    for copy, count in counts.items():
        if count > room:
            yield page
            page, room = [], page_size
        page.append(copy)
        room -= count
    yield page


def _by_study(closed: Iterable[Answer]) -> Mapping[str, list[Answer]]:
    grouped: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in closed:
        grouped[answer.text("ParentStudy")].append(answer)
    return grouped


def _whole(
    opened: Iterable[tuple[Copy, Answer]], closed: Mapping[str, list[Answer]], found: Found
) -> Iterator[tuple[Copy, Study]]:
    for copy, answer in opened:
        mine = {series_id: found[series_id] for series_id in answer.texts("Series") if series_id in found}
        standing = unmoved(answer, closed.get(copy.orthanc_id, ()), mine)
        if standing is not None:
            yield copy, assembled(copy, answer, standing, mine)


def _uids(copies: Iterable[Copy]) -> list[str]:
    return [copy.study_instance_uid for copy in copies]
