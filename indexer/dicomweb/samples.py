"""One dataset per series, by WADO-RS metadata (PS3.18 2024e, section 10.4.1.1.5)."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from indexer.dicomweb.objects import is_image
from indexer.errors import PeerError, ProtocolViolation, Refused, StudyInvalid, StudyNotReady, TooLarge, Unavailable
from indexer.model import Attributes, Instance, Series, Study, is_uid_like

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from indexer.transport import Response, Transport

_ACCEPT: Final = {"Accept": "application/dicom+json"}
# A file that cannot be read is passed over for the next one of its series, but not many times.
_TRIES: Final = 3
_MAX_ELEMENT_BYTES: Final = 16 * 1024
_PIXELS: Final = "7FE0"

_MISSING_ROOT: Final = (
    "Check 'dicomweb_root' and that Orthanc's DICOMweb plugin is loaded; 'issuer: ignore' does without it."
)


class DicomWebSamples:
    """`AttributeSource` over DICOMweb.

    Parameters
    ----------
    transport
        The server.
    root
        Path of DICOMweb on it; called anew for each request, for the server may have to be asked for it first.
    cap
        Datasets per series at most, for objects that are no images.
    """

    def __init__(self, transport: Transport, *, root: Callable[[], str] = lambda: "", cap: int = 20) -> None:
        self._transport = transport
        self._root = root
        self._cap = cap

    def sample(self, study: Study) -> tuple[Series, ...]:
        """Read one dataset of each series of images, and each one up to `cap` of a series of other objects.

        A series whose files cannot be read stays without one, as long as another one can.

        Raises
        ------
        StudyNotReady
            If the server does not know the study (yet), or no file of it can be read.
        StudyInvalid
            If the study's UID is none, or in no series both its own UID and an instance's are some.
        Refused
            If there is no DICOMweb at this address.
        Unavailable, AccessDenied, ProtocolViolation
            If the server as a whole does not answer as it should.
        """
        if not is_uid_like(study.study_instance_uid):
            raise StudyInvalid(
                "The StudyInstanceUID is no UID: other characters than digits and dots, or longer than 64.",
                cause="bad_study_uid",
                hint="No DICOM client can ask for such a study. Correct it in the archive.",
            )
        sampled = tuple(replace(series, sampled=self._sampled(study, series)) for series in study.series)
        if sampled and not any(series.sampled for series in sampled):
            raise _unreadable() if any(map(_nameable, study.series)) else _unnameable()
        return sampled

    def _sampled(self, study: Study, series: Series) -> dict[str, Attributes]:
        fit = _nameable(series)
        images = [one for one in fit if is_image(one.sop_class_uid)][:_TRIES]
        others = [one for one in fit if not is_image(one.sop_class_uid)][: self._cap]
        found = dict(self._read(study, series, others))
        # The first image that can be read speaks for all.
        return found | dict(islice(self._read(study, series, images), 1))

    def _read(self, study: Study, series: Series, instances: Sequence[Instance]) -> Iterator[tuple[str, Attributes]]:
        for instance in instances:
            dataset = self._dataset(study.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid)
            if dataset is not None:
                yield instance.sop_instance_uid, dataset

    def _dataset(self, study_uid: str, series_uid: str, instance_uid: str) -> Attributes | None:
        """One dataset; None if the server has trouble with just this file."""
        path = f"/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}/metadata"
        try:
            found = self._transport.request("GET", self._root() + path, headers=_ACCEPT)
        except Refused as error:
            if error.status == 404:
                self._check_root()
            raise _unreadable() from None
        except TooLarge:
            return None
        except Unavailable as error:
            # Orthanc answers 500 where the file of an instance is gone or broken.
            if error.status != 500:
                raise
            return None
        dataset = self._only(found)
        told = (dataset.text("StudyInstanceUID"), dataset.text("SOPInstanceUID"))
        if told != (study_uid, instance_uid):
            raise self._violation("another instance than the one asked for")
        return dataset

    def _only(self, found: Response) -> Attributes:
        datasets = found.json()
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
            raise Refused(error.message, peer=error.peer, status=error.status, hint=_MISSING_ROOT) from None

    def _violation(self, what: str) -> PeerError:
        return ProtocolViolation(f"{self._transport.peer} answered with {what}", peer=self._transport.peer)


def slim(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset without what is bulky or cannot be told apart: pixel data, bulk data, private attributes."""
    return {tag: element for tag, element in dataset.items() if _is_kept(tag, element)}


def _is_kept(tag: str, element: object) -> bool:
    is_private = len(tag) != 8 or tag[3] in "13579bdfBDF"
    is_bulk = not isinstance(element, dict) or "InlineBinary" in element or "BulkDataURI" in element
    if is_private or is_bulk or tag.startswith(_PIXELS):
        return False
    # Contours, frames and long reports: what is mapped is far smaller, and hundreds of series are held at once.
    return len(orjson.dumps(element)) <= _MAX_ELEMENT_BYTES


def _nameable(series: Series) -> list[Instance]:
    """The instances that a path can name, in order; none of a series whose own UID is none."""
    if not is_uid_like(series.series_instance_uid):
        return []
    return [one for one in _in_order(series.instances) if is_uid_like(one.sop_instance_uid)]


def _in_order(instances: Iterable[Instance]) -> list[Instance]:
    """By InstanceNumber, those without one last, then by UID: the same choice whenever the study is read."""
    return sorted(instances, key=lambda one: (*_number(one.instance_number), one.sop_instance_uid))


def _number(text: str | None) -> tuple[bool, int]:
    try:
        return False, int(text or "")
    except ValueError:
        return True, 0


def _unreadable() -> StudyNotReady:
    return StudyNotReady(
        "No dataset of the study can be read over DICOMweb.",
        cause="dicomweb_unreadable",
        hint="It is tried again. See the log of the archive: files may be missing, or two patients share the study.",
    )


def _unnameable() -> StudyInvalid:
    return StudyInvalid(
        "No instance of the study can be asked for: its SeriesInstanceUID or SOPInstanceUID is no UID.",
        cause="bad_uid",
        hint="No DICOM client can ask for it either. Correct the UIDs in the archive, or send the study again.",
    )
