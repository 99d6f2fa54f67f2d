"""A page of ``/changes``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from indexer.orthanc.answers import Answer, rows
from indexer.orthanc.position import Change, ChangePage, Level, moment

if TYPE_CHECKING:
    from collections.abc import Iterable

_LARGEST: Final = 2**63 - 1
"""Largest number that Orthanc's database, and ours, can hold."""

_LEVELS: Final = {level.value: level for level in Level}


def page(answer: Answer, since: int) -> ChangePage:
    """Read a page; types that only a newer Orthanc knows are kept as they are.

    Raises
    ------
    ProtocolViolation
        If a row has no Seq or no date, or a Seq that does not rise or is out of range: nothing of the page is noted.
    """
    changes = tuple(_change(row) for row in rows(answer.json.get("Changes"), answer.peer))
    done = answer.flag("Done")
    if not changes and not done:
        raise answer.violation("Done")
    if not _rises(since, (change.seq for change in changes)):
        raise answer.violation("Seq")
    last = answer.number("Last")
    if not max(last, *(change.seq for change in changes), 0) <= _LARGEST:
        raise answer.violation("Seq")
    return ChangePage(changes=changes, done=done, last=last)


def _change(answer: Answer) -> Change:
    level, date = answer.json.get("ResourceType"), answer.text("Date")
    try:
        moment(date)
    except ValueError:
        raise answer.violation("Date") from None
    return Change(
        seq=answer.number("Seq"),
        change_type=answer.text("ChangeType"),
        level=_LEVELS.get(level) if isinstance(level, str) else None,
        orthanc_id=answer.text("ID"),
        date=date,
    )


def _rises(since: int, numbers: Iterable[int]) -> bool:
    for seq in numbers:
        if seq <= since:
            return False
        since = seq
    return True
