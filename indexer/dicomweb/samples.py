"""One dataset per series, by WADO-RS metadata (PS3.18 2024e, section 10.4.1.1.5)."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from indexer.errors import PeerError, ProtocolViolation, Refused, StudyInvalid, StudyUnreadable, TooLarge, Unavailable
from indexer.model import Attributes, Instance, Series, Study, is_uid_like
from indexer.sampling import is_doubtful, is_exact, slim, speakers, without_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from indexer.transport import Response, Transport

_ACCEPT: Final = {"Accept": "application/dicom+json"}

_MAX_JSON_LEVELS: Final = 500

_MISSING_ROOT: Final = (
    "Check 'dicomweb_root' and that Orthanc's DICOMweb plugin is loaded; 'issuer: ignore' does without it."
)


class FileReader(Protocol):
    """Another way to the dataset of one file."""

    def dataset(self, *uids: str) -> Attributes | None:
        """The dataset of one instance, by the UIDs of study, series and instance; None if it cannot be read."""
        ...


class DicomWebSamples:
    """`AttributeSource` over DICOMweb.

    A server may drop characters that it cannot decode, and fail on a file that others can read. What it may have spoilt
    is read from the file itself.

    Parameters
    ----------
    transport
        The server.
    root
        Path of DICOMweb on it; called anew for each request, for the server may have to be asked for it first.
    cap
        Datasets per series at most, for objects that are no images.
    files
        None if files cannot be read.
    reads_all_files
        Whether each dataset is read from its file if possible, not only where the server may have spoilt it.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        root: Callable[[], str] = lambda: "",
        cap: int = 20,
        files: FileReader | None = None,
        reads_all_files: bool = False,
    ) -> None:
        self._transport = transport
        self._root = root
        self._cap = cap
        self._files = files
        self._reads_all_files = reads_all_files

    def sample(self, study: Study) -> tuple[Series, ...]:
        """Read one dataset of each series of images, and each one up to `cap` of a series of other objects.

        A series whose files cannot be read stays without one, as long as another one can.

        Raises
        ------
        StudyUnreadable
            If the server does not know the study (yet), or no file of it can be read.
        StudyInvalid
            If the study's UID is none, or in no series both its own UID and an instance's are some.
        Unavailable, AccessDenied, ProtocolViolation
            If the server as a whole does not answer as it should, or there is no DICOMweb at this address.
        """
        if not is_uid_like(study.study_instance_uid):
            raise StudyInvalid(
                "The StudyInstanceUID is no UID: other characters than digits and dots, or longer than 64.",
                cause="bad_study_uid",
                hint="No DICOM client can ask for such a study. Correct it in the archive.",
            )
        sampled = tuple(replace(series, sampled=self._sampled(study, series)) for series in study.series)
        if sampled and not any(series.sampled for series in sampled):
            raise _unreadable() if any(speakers(series, 1).first for series in study.series) else _unnameable()
        return sampled

    def sample_batch(self, studies: Sequence[Study]) -> tuple[tuple[Series, ...] | None, ...]:
        """None of them: a request is for one instance of one study."""
        return (None,) * len(studies)

    def _sampled(self, study: Study, series: Series) -> dict[str, Attributes]:
        chosen = speakers(series, self._cap)
        others = dict(self._read(study, series, chosen.others))
        return others | dict(islice(self._read(study, series, chosen.images), 1))

    def _read(self, study: Study, series: Series, instances: Sequence[Instance]) -> Iterator[tuple[str, Attributes]]:
        for instance in instances:
            dataset = self._dataset(study.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid)
            if dataset is not None:
                yield instance.sop_instance_uid, dataset

    def _dataset(self, *uids: str) -> Attributes | None:
        """One dataset, by the UIDs of study, series and instance; None if nothing can be read of this file."""
        of_file = self._of_file(*uids) if self._reads_all_files else None
        if of_file and is_exact(of_file):
            return of_file
        dataset = self._over_dicomweb(*uids)
        if dataset is not None and not is_doubtful(dataset):
            return dataset
        of_file = of_file or self._of_file(*uids)
        return of_file or (without_texts(dataset) if dataset else None)

    def _of_file(self, *uids: str) -> Attributes | None:
        return self._files.dataset(*uids) if self._files else None

    def _over_dicomweb(self, study_uid: str, series_uid: str, instance_uid: str) -> Attributes | None:
        path = f"/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}/metadata"
        try:
            response = self._transport.request("GET", self._root() + path, headers=_ACCEPT)
        except Refused as error:
            if error.status == 404:
                self._check_root()
            return None
        except TooLarge:
            return None
        except Unavailable as error:
            # Orthanc answers 500 where the file of an instance is gone or broken.
            if error.status != 500:
                raise
            return None
        dataset = self._only(response)
        if (dataset.text("StudyInstanceUID"), dataset.text("SOPInstanceUID")) != (study_uid, instance_uid):
            raise self._violation("another instance than the one asked for")
        return dataset

    def _only(self, response: Response) -> Attributes:
        datasets = response.json(max_levels=_MAX_JSON_LEVELS)
        if not isinstance(datasets, list) or len(datasets) != 1 or not isinstance(datasets[0], dict):
            raise self._violation("no single dataset")
        return Attributes(slim(datasets[0]))

    def _check_root(self) -> None:
        """A 404 says nothing of the study where there is no DICOMweb at all: ask for a study that nobody has."""
        try:
            self._transport.request(
                "GET", self._root() + "/studies", params={"StudyInstanceUID": "0.0"}, headers=_ACCEPT
            )
        except Refused as error:
            raise Unavailable(error.message, peer=error.peer, hint=_MISSING_ROOT) from None

    def _violation(self, what: str) -> PeerError:
        return ProtocolViolation(f"{self._transport.peer} answered with {what}", peer=self._transport.peer)


def _unreadable() -> StudyUnreadable:
    return StudyUnreadable("no dataset of the study can be read", cause="unreadable")


def _unnameable() -> StudyInvalid:
    return StudyInvalid(
        "No instance of the study can be asked for: its SeriesInstanceUID or SOPInstanceUID is no UID.",
        cause="bad_uid",
        hint="No DICOM client can ask for it either. Correct the UIDs in the archive, or send the study again.",
    )
