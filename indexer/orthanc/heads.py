"""Datasets from the heads of files, for what Orthanc's JSON does not tell as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from indexer.errors import AccessDenied, Refused, TooLarge, Unavailable
from indexer.model.attributes import tag_of
from indexer.orthanc.file_head import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from indexer.model import Attributes
    from indexer.orthanc.answers import Answer
    from indexer.orthanc.client import Client

_UIDS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class FileHeads:
    """Reads what stands before the pixel data of a file.

    Parameters
    ----------
    keywords
        Attributes to read.
    """

    def __init__(self, client: Client, keywords: Collection[str]) -> None:
        self._client = client
        self._tags = frozenset(map(tag_of, (*keywords, *_UIDS, "SpecificCharacterSet")))

    def dataset(self, *uids: str) -> Attributes | None:
        """The dataset of one instance; None if its file cannot be read, or if it is not the only one of this UID.

        Parameters
        ----------
        uids
            StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID.

        Raises
        ------
        Unavailable, AccessDenied, ProtocolViolation
            If the server as a whole does not answer as it should.
        """
        return self._read(uids, lambda: self._looked_up(uids[-1]))

    def dataset_of(self, answer: Answer, *uids: str) -> Attributes | None:
        """The same for an instance that ``tools/find`` answered with its metadata."""
        offset = answer.part("Metadata").json.get("PixelDataOffset")
        return self._read(uids, lambda: self._client.file_head(answer.text("ID"), offset))

    def _looked_up(self, sop_instance_uid: str) -> bytes:
        answers = self._client.lookup(sop_instance_uid)
        ids = [answer.text("ID") for answer in answers if answer.text("Type") == "Instance"]
        return self._client.file_head(ids[0], self._client.pixel_data_offset(ids[0])) if len(ids) == 1 else b""

    def _read(self, uids: tuple[str, ...], ask: Callable[[], bytes]) -> Attributes | None:
        try:
            dataset = parse(ask(), self._tags)
        except (Refused, TooLarge):
            return None
        except AccessDenied as error:
            if error.status == 401:
                raise
            return None
        except Unavailable as error:
            # Orthanc answers 500 where the file of an instance is gone or broken.
            if error.status != 500:
                raise
            return None
        return dataset if dataset and tuple(map(dataset.text, _UIDS)) == uids else None
