"""What stands of a study at one moment, and whether that is what was read of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.model import Instance, Series, Study
from indexer.orthanc import answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from indexer.model import StudyLocation
    from indexer.orthanc.answers import Answer, ListedInstance

Found = dict[str, dict[str, Instance]]
"""Instances that were read, by Orthanc id, by Orthanc id of their series."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What stands at one moment: the study's LastUpdate and each series with its list of instances."""

    last_update: str | None
    series: Mapping[str, Answer]

    def missing(self, found: Found) -> list[str]:
        """Orthanc ids of instances that stand there and were not read."""
        return [
            orthanc_id
            for series_id, answer in self.series.items()
            for orthanc_id in answer.texts("Instances")
            if orthanc_id not in found.get(series_id, {})
        ]

    def fits(self, opened: Answer, found: Found) -> bool:
        """Whether these are the series of the beginning, with the instances that were read: none missing, none more."""
        return set(opened.texts("Series")) == set(self.series) >= found.keys() and all(
            found.get(series_id, {}).keys() == set(answer.texts("Instances"))
            for series_id, answer in self.series.items()
        )


def keep(found: Found, instances: Iterable[ListedInstance]) -> None:
    """Add instances to what was read."""
    for series_id, orthanc_id, instance in instances:
        found.setdefault(series_id, {})[orthanc_id] = instance


def unmoved(opened: Answer, closed: Sequence[Answer], found: Found) -> Snapshot | None:
    """How the series stand at the end, if it is certain that nothing moved; None where it has to be asked by id.

    Whatever moves a series moves its LastUpdate, and its study's with it. So one that is not later than what the study
    said at first did not move. Where several Orthancs with different clocks share a database it may be later for ever,
    and ``LimitFindResults`` may cut the list: the study's own LastUpdate and the ids of the series decide then.
    """
    snapshot = Snapshot(last_update(opened), {answer.text("ID"): answer for answer in closed})
    began = snapshot.last_update or ""
    touched = [answer.part("Metadata").json.get("LastUpdate") for answer in closed]
    is_certain = all(isinstance(moment, str) and moment <= began for moment in touched)
    return snapshot if is_certain and snapshot.fits(opened, found) else None


def assembled(location: StudyLocation, opened: Answer, snapshot: Snapshot, found: Found) -> Study:
    """The study, its series and their instances in the order of their UIDs."""
    made = [
        Series(
            series_instance_uid=answers.uid(answer, "SeriesInstanceUID"),
            attributes=answer.tags("MainDicomTags"),
            instances=tuple(sorted(found.get(series_id, {}).values(), key=lambda one: one.sop_instance_uid)),
        )
        for series_id, answer in snapshot.series.items()
    ]
    return Study(
        study_instance_uid=location.study_instance_uid,
        source=location.source,
        attributes=opened.tags("PatientMainDicomTags", "MainDicomTags"),
        series=tuple(sorted(made, key=lambda one: one.series_instance_uid)),
        last_update=snapshot.last_update,
    )


def last_update(answer: Answer) -> str | None:
    """When the resource moved last; ``tools/find`` tells it among the metadata."""
    metadata = answer.json.get("Metadata")
    said = answer.json.get("LastUpdate") or (metadata.get("LastUpdate") if isinstance(metadata, dict) else None)
    return said if isinstance(said, str) else None
