"""One Orthanc, as the flow needs it."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Final

from indexer.batched import batched
from indexer.model import Attributes, Study, StudyLocation
from indexer.orthanc import answers, batch_read, changes, presence, studies
from indexer.orthanc.client import Client
from indexer.orthanc.heads import FileHeads
from indexer.orthanc.position import Level
from indexer.orthanc.samples import FindSamples

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from indexer.orthanc.position import ChangePage
    from indexer.orthanc.samples import OneByOne
    from indexer.transport import Transport


_USUAL_DICOMWEB_ROOT: Final = "/dicom-web"

LISTED_AT_ONCE = 200
"""Studies that are asked for in one request when the archive is listed."""


class OrthancSource:
    """`StudySource` of one Orthanc, and its list of changes.

    Parameters
    ----------
    name
        Stable name of the source.
    page_size
        Instances per request when a study is read.
    clock
        Monotonic seconds, for the probe of what Orthanc can do.
    """

    def __init__(
        self, transport: Transport, name: str, *, page_size: int = 1000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = Client(transport, clock)
        self._clock = clock
        self._name = name
        self._page_size = page_size

    def file_heads(self, keywords: Collection[str]) -> FileHeads:
        """Datasets of single files, as `FileHeads` describes it."""
        return FileHeads(self._client, keywords)

    def samples(self, keywords: Collection[str], otherwise: OneByOne, cap: int) -> FindSamples:
        """Datasets of this Orthanc's files, as `FindSamples` describes it."""
        return FindSamples(self._client, keywords, self.file_heads(keywords), otherwise, cap=cap, clock=self._clock)

    @property
    def name(self) -> str:
        return self._name

    def ping(self) -> str:
        return self._client.system().text("Version")

    @cached_property
    def dicomweb_root(self) -> str:
        """Path of the DICOMweb plugin, asked for once; the usual one where Orthanc does not tell it."""
        return self._client.dicomweb_root() or _USUAL_DICOMWEB_ROOT

    def changes(self, since: int, limit: int) -> ChangePage:
        """Rows of the list of changes with Seq greater than `since`, at most `limit` (≥ 1), ascending."""
        return changes.page(self._client.changes(since, limit), since)

    def newest_seq(self) -> int:
        """Seq of the newest change that can be read now; 0 where there is none."""
        page = changes.page(self._client.newest_change(), since=0)
        return page.changes[-1].seq if page.changes else 0

    def server_time(self) -> str:
        """Orthanc's own clock, for comparison with `Change.date`."""
        return self._client.now()

    def locate(self, resources: Mapping[str, Level]) -> tuple[StudyLocation, ...]:
        """Studies that these resources belong to, sorted; what is gone is left out (`presence.studies_of`)."""
        return tuple(sorted({self._location(answer) for answer in presence.studies_of(self._client, resources)}))

    def list_locations(self, after: str = "") -> Iterator[StudyLocation]:
        for batch in batched(self._client.study_ids(after), LISTED_AT_ONCE):
            yield from self.locate(dict.fromkeys(batch, Level.STUDY))

    def find(self, study_instance_uid: str) -> tuple[StudyLocation, ...]:
        resources = self._client.lookup(study_instance_uid)
        ids = [answer.text("ID") for answer in resources if answer.text("Type") == "Study"]
        return tuple(StudyLocation(self._name, orthanc_id, study_instance_uid) for orthanc_id in ids)

    def holds(self, location_id: str) -> bool:
        return self._client.study(location_id) is not None

    def study_attributes(self, location_ids: Sequence[str]) -> Mapping[str, Attributes]:
        return {
            answer.text("ID"): answer.tags("PatientMainDicomTags", "MainDicomTags")
            for answer in presence.by_id(self._client, Level.STUDY, location_ids)
        }

    def modalities(self, location_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        studies = presence.by_id(self._client, Level.STUDY, location_ids)
        series_ids = [orthanc_id for answer in studies for orthanc_id in answer.texts("Series")]
        by_study: dict[str, frozenset[str]] = {}
        for answer in presence.by_id(self._client, Level.SERIES, series_ids):
            study_id = answer.text("ParentStudy")
            modalities = answer.tags("MainDicomTags").texts("Modality")
            by_study[study_id] = by_study.get(study_id, frozenset()).union(modalities)
        return by_study

    def read(self, location: StudyLocation) -> Study:
        return studies.read(self._client, location, self._page_size)

    def read_batch(self, locations: Sequence[StudyLocation]) -> Mapping[StudyLocation, Study]:
        return batch_read.read(self._client, locations, self._page_size)

    def _location(self, answer: answers.Answer) -> StudyLocation:
        return StudyLocation(self._name, answer.text("ID"), answers.uid(answer, "StudyInstanceUID"))
