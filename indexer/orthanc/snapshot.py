"""Whether what was read of a study is what stands there, and the study that it makes up."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from indexer.model import Instance, Series, Study
from indexer.orthanc import answers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.model import StudyLocation
    from indexer.orthanc.answers import Answer, ListedInstance

InstancesBySeries = dict[str, dict[str, Instance]]
"""Instances that were read, by Orthanc id, by Orthanc id of their series."""


def keep(by_series: InstancesBySeries, instances: Iterable[ListedInstance]) -> None:
    """Add instances to what was read."""
    for series_id, orthanc_id, instance in instances:
        by_series.setdefault(series_id, {})[orthanc_id] = instance


def unmoved(
    location: StudyLocation, opened: Answer, closed: Iterable[Answer], by_series: InstancesBySeries
) -> Study | None:
    """The study, if it is certain that nothing moved since it was opened; None where it has to be asked by id.

    Whatever moves a series moves its LastUpdate, and its study's with it. So one that is not later than what the study
    said at first did not move. Where several Orthancs with different clocks share a database it may be later for ever,
    and ``LimitFindResults`` may cut the list: the study's own LastUpdate and the ids of the series decide then.
    """
    began = last_update(opened) or ""

    def is_certain(answer: Answer) -> bool:
        moment = answer.part("Metadata").json.get("LastUpdate")
        return isinstance(moment, str) and moment <= began

    return assembled(location, opened, takewhile(is_certain, closed), by_series)


def assembled(
    location: StudyLocation, opened: Answer, closed: Iterable[Answer], by_series: InstancesBySeries
) -> Study | None:
    """The study, its series and their instances in the order of their UIDs.

    None unless these are the series of the beginning, with the instances that were read: none missing, none more.
    """
    series: dict[str, Series] = {}
    for answer in closed:
        instances = by_series.get(answer.text("ID"), {})
        if instances.keys() != set(answer.texts("Instances")):
            return None
        series[answer.text("ID")] = Series(
            series_instance_uid=answers.uid(answer, "SeriesInstanceUID"),
            attributes=answer.tags("MainDicomTags"),
            instances=tuple(sorted(instances.values(), key=lambda instance: instance.sop_instance_uid)),
        )
    if not set(opened.texts("Series")) == series.keys() >= by_series.keys():
        return None
    return Study(
        study_instance_uid=location.study_instance_uid,
        source=location.source,
        attributes=opened.tags("PatientMainDicomTags", "MainDicomTags"),
        series=tuple(sorted(series.values(), key=lambda element: element.series_instance_uid)),
        last_update=last_update(opened),
    )


def last_update(answer: Answer) -> str | None:
    """When the resource moved last; ``tools/find`` tells it among the metadata."""
    metadata = answer.json.get("Metadata")
    moment = answer.json.get("LastUpdate") or (metadata.get("LastUpdate") if isinstance(metadata, dict) else None)
    return moment if isinstance(moment, str) else None
