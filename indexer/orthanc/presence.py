"""Resources by id, many in one request; what is missing in the answer is gone only if Orthanc says so of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.errors import ProtocolViolation
from indexer.orthanc.position import Level

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from indexer.orthanc.answers import Answer
    from indexer.orthanc.client import Client


def studies_of(client: Client, resources: Mapping[str, Level]) -> list[Answer]:
    """The studies that these resources belong to, some more than once; what is gone is left out.

    A study lists its series, but not its instances: these are asked for their series first.

    Parameters
    ----------
    resources
        Levels by Orthanc id; no patients.

    Raises
    ------
    ProtocolViolation
        If a resource that exists is missing in an answer.
    """
    levels = {orthanc_id: level for orthanc_id, level in resources.items() if level is not Level.INSTANCE}
    instances = by_id(client, Level.INSTANCE, resources.keys() - levels.keys())
    levels |= {answer.text("ParentSeries"): Level.SERIES for answer in instances}
    studies = list(client.bulk_in_chunks(sorted(levels), level=Level.STUDY))
    named = {orthanc_id for answer in studies for orthanc_id in (answer.text("ID"), *answer.texts("Series"))}
    for orthanc_id in sorted(levels.keys() - named):
        _require_gone(client, levels[orthanc_id], [orthanc_id])
    return studies


def by_id(client: Client, level: Level, orthanc_ids: Collection[str]) -> list[Answer]:
    """Resources of one level; what is gone is left out.

    Raises
    ------
    ProtocolViolation
        If a resource that exists is missing in an answer.
    """
    answers = list(client.bulk_in_chunks(sorted(orthanc_ids)))
    _require_gone(client, level, set(orthanc_ids) - {answer.text("ID") for answer in answers})
    return answers


def _require_gone(client: Client, level: Level, orthanc_ids: Iterable[str]) -> None:
    """Ask for each of these ids alone; the first one that exists ends it, as a `ProtocolViolation`.

    The rows of ``/changes`` go with their resources, so an id is missing only if it was deleted since its page was
    read. Even a page of a thousand such ids costs about a second.
    """
    for orthanc_id in sorted(orthanc_ids):
        if client.resource(level, orthanc_id) is not None:
            text = f"{client.peer} left out of its answer what it holds"
            raise ProtocolViolation(text, peer=client.peer, hint="Nothing was passed over: it is asked again.")
