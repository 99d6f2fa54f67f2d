"""The archives that the suite runs on, a transport that counts, and what a study should look like."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom.dataset import Dataset

from indexer import mapping
from indexer.dicomweb import DicomWebSamples
from indexer.mapping import Rules
from indexer.model import Study, StudyLocation
from indexer.orthanc import OrthancFeed, OrthancSource
from indexer.orthanc.samples import FindSamples
from indexer.transport import Response, Transport
from tests.fakes.listing import ListedArchive, study_of
from tests.fakes.memory import MemorySource
from tests.fakes.orthanc import FakeOrthanc
from tests.samples import delete, instance, store_rest
from tests.servers.orthanc import Orthanc, orthanc_versions

FAKE, REAL = "fake", "real"
KINDS = [f"{kind} {version}" for kind in (FAKE, REAL) for version in orthanc_versions()]

on_modern = pytest.mark.parametrize("case", [kind for kind in KINDS if "1.10" not in kind], indirect=True)
on_real = pytest.mark.parametrize("case", [kind for kind in KINDS if REAL in kind], indirect=True)

IN_MEMORY: dict[str, type[ListedArchive]] = {"memory": MemorySource, "listed": ListedArchive}
"""Archives that are no Orthanc; the second one has no feed."""


RULES = Rules(site_key=b"contract", patient_id_system="urn:oid:1.2.3")

CHANGES = ("an instance more", "a series more", "an instance less", "a series less", "gone")
UNKNOWN = "00000000-00000000-00000000-00000000-00000000"
"""An Orthanc id that no resource has."""


class Counting(Transport):
    """Keeps the paths that were asked for, and lets a test act before the n-th request from now."""

    def __init__(self, base_url: str, **options: Any) -> None:
        super().__init__(base_url, **options)
        self.paths: list[str] = []
        self._at: tuple[int, Callable[[], object]] | None = None

    def request(self, method: str, path: str, **options: Any) -> Response:
        if self._at and len(self.paths) == self._at[0]:
            act, self._at = self._at[1], None
            act()
        self.paths.append(path)
        return super().request(method, path, **options)

    @property
    def has_acted(self) -> bool:
        return self._at is None

    def act_before(self, number: int, act: Callable[[], object]) -> None:
        self.paths.clear()
        self._at = (number, act)


KEYWORDS = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}


@dataclass
class Case:
    """One Orthanc under test."""

    orthanc: Orthanc | FakeOrthanc
    transport: Counting
    dicomweb: Counting
    page_size: int = 1000

    @property
    def source(self) -> OrthancSource:
        return OrthancSource(self.transport, "main", page_size=self.page_size)

    @property
    def feed(self) -> OrthancFeed:
        return OrthancFeed(self.source, page_size=self.page_size)

    @property
    def dicomweb_samples(self) -> DicomWebSamples:
        files = self.source.file_heads(mapping.sampled_keywords(RULES))
        return DicomWebSamples(self.dicomweb, cap=3, files=files)

    @property
    def file_samples(self) -> DicomWebSamples:
        files = self.source.file_heads(mapping.sampled_keywords(RULES))
        return DicomWebSamples(self.dicomweb, cap=3, files=files, reads_all_files=True)

    def samples_by(self, way: str) -> FindSamples | DicomWebSamples:
        """One of the ways to datasets: tools/find, dicomweb, or files."""
        return {"tools/find": self.samples, "dicomweb": self.dicomweb_samples, "files": self.file_samples}[way]

    @property
    def samples(self) -> FindSamples:
        return self.source.samples(mapping.sampled_keywords(RULES), self.dicomweb_samples, 3)

    @property
    def is_modern(self) -> bool:
        return self.orthanc.label != "1.10"

    def store(self, datasets: list[Dataset]) -> None:
        """Store one after the other, so that the order of the feed is known."""
        store_rest(self.orthanc, datasets, parallel=1)

    def locations(self) -> list[StudyLocation]:
        source = self.source
        return list(source.list_locations())

    def location_of(self, dataset: Dataset) -> StudyLocation:
        (found,) = [one for one in self.locations() if one.study_instance_uid == dataset.StudyInstanceUID]
        return found

    def delete(self, dataset: Dataset, level: str) -> None:
        """Delete the study, the series or the instance of a dataset."""
        delete(self.orthanc, str(dataset[KEYWORDS[level]].value))


@dataclass
class MemoryCase:
    """One archive in memory, filled with datasets as an Orthanc is."""

    source: ListedArchive
    datasets: list[Dataset] = field(default_factory=list)

    @property
    def feed(self) -> MemorySource | None:
        return self.source if isinstance(self.source, MemorySource) else None

    def store(self, datasets: list[Dataset]) -> None:
        self.datasets += datasets
        self._put({dataset.StudyInstanceUID for dataset in datasets})

    def delete(self, dataset: Dataset, level: str) -> None:
        """Delete the study, the series or the instance of a dataset."""
        keyword = KEYWORDS[level]
        self.datasets = [one for one in self.datasets if one[keyword].value != dataset[keyword].value]
        self._put({dataset.StudyInstanceUID})

    def _put(self, uids: set[str]) -> None:
        for uid in sorted(uids):
            datasets = [one for one in self.datasets if one.StudyInstanceUID == uid]
            if datasets:
                self.source.put(study_of(datasets))
            else:
                self.source.remove(self.source.location_id(uid))

    def location_of(self, dataset: Dataset) -> StudyLocation:
        (location,) = self.source.find(dataset.StudyInstanceUID)
        return location

    @property
    def page_size(self) -> int:
        return self.source.page_size

    @page_size.setter
    def page_size(self, size: int) -> None:
        self.source.page_size = size


Archive = Case | MemoryCase


def changes_of(case: Case, datasets: list[Dataset], seed: str) -> dict[str, tuple[Callable[[], object], list[Dataset]]]:
    """Ways to change a study (`CHANGES`), each with what is left of it."""
    first = datasets[0]
    rest = [dataset for dataset in datasets if dataset.SeriesInstanceUID != first.SeriesInstanceUID]
    more = instance(seed, 0, 0, 90, PatientID=first.PatientID)
    new_series = instance(seed, 0, 9, 0, PatientID=first.PatientID)
    return {
        "an instance more": (lambda: case.store([more]), [*datasets, more]),
        "a series more": (lambda: case.store([new_series]), [*datasets, new_series]),
        "an instance less": (lambda: case.delete(first, "instances"), datasets[1:]),
        "a series less": (lambda: case.delete(first, "series"), rest),
        "gone": (lambda: case.delete(first, "studies"), []),
    }


@contextmanager
def running(kind: str, **settings: Any) -> Iterator[Case]:
    """A case of one of `KINDS`, with further keys of Orthanc's configuration."""
    name, version = kind.split()
    server = FakeOrthanc if name == FAKE else Orthanc
    with server(version, stable_age_s=1, extra=settings) as orthanc:
        transport = Counting(orthanc.url, peer="orthanc main")
        dicomweb = Counting(orthanc.dicomweb_url, peer="dicomweb main")
        try:
            yield Case(orthanc, transport, dicomweb)
        finally:
            transport.close()
            dicomweb.close()


ReleaseEncoding = dict[str, dict[str, tuple[str | None, str | None, str | None]]]


def shape_of_datasets(datasets: list[Dataset]) -> ReleaseEncoding:
    """Series, instances, and of each its class, number and frames."""
    found: ReleaseEncoding = {}
    for one in datasets:
        number, frames = (str(one[key].value) if key in one else None for key in ("InstanceNumber", "NumberOfFrames"))
        found.setdefault(one.SeriesInstanceUID, {})[one.SOPInstanceUID] = (one.SOPClassUID, number, frames)
    return found


def shape_of_study(study: Study) -> ReleaseEncoding:
    """The same of a study that was read."""
    return {
        series.series_instance_uid: {
            one.sop_instance_uid: (one.sop_class_uid, one.instance_number, one.number_of_frames)
            for one in series.instances
        }
        for series in study.series
    }
