"""An archive in memory that can only be listed: it tells nothing of its changes, and has no ids but DICOM's own."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pydicom.dataset import Dataset

from indexer.errors import StudyVanished
from indexer.model import Attributes, Instance, Series, Study, StudyLocation
from tests.fakes.attributes import from_keywords, over
from tests.fakes.script import Clock, Script

CT = "1.2.840.10008.5.1.4.1.1.2"


def study(
    uid: str = "1.2.3",
    *,
    patient_id: str | None = "P1",
    name: str = "Muster^Erika",
    series: int = 1,
    instances: int = 2,
    source: str = "main",
    **keywords: str,
) -> Study:
    """A synthetic CT study; attributes of the study by keyword."""
    values = {"StudyDate": "20240101", "PatientName": name, **keywords}
    if patient_id is not None:
        values["PatientID"] = patient_id
    return Study(
        study_instance_uid=uid,
        source=source,
        attributes=from_keywords(values),
        series=tuple(_series(f"{uid}.{number}", number, instances) for number in range(1, series + 1)),
    )


def _series(uid: str, number: int, instances: int) -> Series:
    return Series(
        series_instance_uid=uid,
        attributes=from_keywords({"Modality": "CT", "SeriesNumber": str(number)}),
        instances=tuple(Instance(f"{uid}.{index}", CT, str(index)) for index in range(1, instances + 1)),
    )


def study_of(datasets: Iterable[Dataset]) -> Study:
    """The study that consists of these datasets."""
    by_series: dict[str, list[Dataset]] = defaultdict(list)
    for dataset in datasets:
        by_series[dataset.SeriesInstanceUID].append(dataset)
    series = tuple(
        Series(
            series_instance_uid=uid,
            attributes=Attributes(members[0].to_json_dict()),
            instances=tuple(sorted(map(_instance, members), key=lambda one: one.sop_instance_uid)),
        )
        for uid, members in sorted(by_series.items())
    )
    first = next(iter(by_series.values()))[0]
    return Study(
        study_instance_uid=first.StudyInstanceUID,
        source="",
        attributes=Attributes(first.to_json_dict()),
        series=series,
    )


def _instance(dataset: Dataset) -> Instance:
    number, frames = (
        str(dataset[key].value) if key in dataset else None for key in ("InstanceNumber", "NumberOfFrames")
    )
    return Instance(dataset.SOPInstanceUID, dataset.SOPClassUID, number, frames)


class ListedArchive:
    """`StudySource` and `AttributeSource` over plain `Study` values, for any number of threads.

    Attributes
    ----------
    studies
        By location id, which is the StudyInstanceUID.
    reads_together
        Whether it reads several studies at one go, as a quick source does.
    """

    def __init__(self, clock: Clock, name: str = "main") -> None:
        self._name = name
        self._clock = clock
        self._lock = threading.RLock()
        self.script = Script()
        self.studies: dict[str, Study] = {}
        self.reads_together = False

    def put(self, one: Study, *, location_id: str | None = None) -> StudyLocation:
        """Store a study or its new state."""
        location = StudyLocation(
            self._name, location_id or self.location_id(one.study_instance_uid), one.study_instance_uid
        )
        with self._lock:
            self.studies[location.location_id] = replace(one, source=self._name, last_update=self._now())
        return location

    def location_id(self, study_instance_uid: str) -> str:
        return study_instance_uid

    def remove(self, location_id: str) -> None:
        """Delete a study."""
        with self._lock:
            del self.studies[location_id]

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S")

    # -- StudySource -----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._name

    def ping(self) -> str:
        self.script.play("ping")
        return "memory"

    def list_locations(self, after: str = "") -> Iterator[StudyLocation]:
        """A step ``list_locations`` comes at the beginning, a step ``list`` before each study."""
        self.script.play("list_locations")
        for location_id in sorted(one for one in self.studies if one > after):
            self.script.play("list")
            with self._lock:
                held = self.studies.get(location_id)
            if held is not None:
                yield StudyLocation(self._name, location_id, held.study_instance_uid)

    def find(self, study_instance_uid: str) -> tuple[StudyLocation, ...]:
        self.script.play("find")
        with self._lock:
            return tuple(
                StudyLocation(self._name, location_id, study_instance_uid)
                for location_id, held in self.studies.items()
                if held.study_instance_uid == study_instance_uid
            )

    def holds(self, location_id: str) -> bool:
        self.script.play("holds")
        with self._lock:
            return location_id in self.studies

    def study_attributes(self, location_ids: Sequence[str]) -> Mapping[str, Attributes]:
        self.script.play("study_attributes")
        with self._lock:
            return {one: self.studies[one].attributes for one in location_ids if one in self.studies}

    def modalities(self, location_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        self.script.play("modalities")
        with self._lock:
            return {one: _modalities(self.studies[one]) for one in location_ids if one in self.studies}

    def read(self, location: StudyLocation) -> Study:
        self.script.play("read")
        self.script.play(f"read {location.study_instance_uid}")
        with self._lock:
            held = self.studies.get(location.location_id)
        if held is None:
            raise StudyVanished("the source does not hold it", cause="vanished")
        return held

    def read_batch(self, locations: Sequence[StudyLocation]) -> Mapping[StudyLocation, Study]:
        self.script.play("read_batch")
        with self._lock:
            held = {one: self.studies[one.location_id] for one in locations if one.location_id in self.studies}
        return held if self.reads_together else {}

    # -- AttributeSource -------------------------------------------------------------------------------------------

    def sample(self, study: Study) -> tuple[Series, ...]:
        self.script.play("sample")
        return tuple(
            replace(series, sampled={series.instances[0].sop_instance_uid: over(study.attributes, series.attributes)})
            for series in study.series
        )

    def sample_batch(self, studies: Sequence[Study]) -> Sequence[tuple[Series, ...] | None]:
        return [self.sample(study) if self.reads_together else None for study in studies]


def _modalities(one: Study) -> frozenset[str]:
    return frozenset(text for series in one.series for text in series.attributes.texts("Modality"))
