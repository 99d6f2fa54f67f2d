"""Datasets of single instances by ``tools/find``: many in one request, and of each no more than what is mapped.

Orthanc answers a requested tag from its database where a row of the study, the series or the instance has it, and
opens the file for the others. A tag that it leaves out is unknown, not absent, so each answer has to prove that the
file was opened. A row holds what the first instance that came stated, so where several creators made a study, and where
Orthanc may have lost characters, the heads of files are read (`indexer.orthanc.heads`).
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from indexer.batched import batched
from indexer.errors import AccessDenied, Refused, Unavailable
from indexer.model import Attributes
from indexer.model.attributes import tag_of
from indexer.orthanc.corrections import corrected
from indexer.sampling import slim, speakers
from indexer.sampling.creators import SIGNS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from indexer.model import Instance, Series, Study
    from indexer.orthanc.answers import Answer
    from indexer.orthanc.client import Client
    from indexer.orthanc.heads import FileHeads

_AT_ONCE: Final = 100
"""Instances of one request; an Orthanc on SQLite goes through all its instances for each."""

_TRY_AGAIN_S: Final = 300.0

_UIDS: Final = ("0020,000d", "0020,000e", "0008,0018")
# LengthToEnd, retired long ago: no database holds it. Orthanc writes null for what a file that it opened lacks.
_FILE_WAS_OPENED: Final = "0008,0001"
_ISSUER: Final = frozenset({"00100021", "00100024"})  # IssuerOfPatientID, IssuerOfPatientIDQualifiersSequence
_PATIENT_NAME: Final = "00100010"
_TIMEZONE_OFFSET: Final = "00080201"
_INSTITUTION_NAME: Final = "00080080"
# An issuer that was not read would join two patients, and a name of over 256 characters stands in no row.
_NEEDED: Final = _ISSUER | {_PATIENT_NAME}

_Key = tuple[str, ...]
"""StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID."""


class OneByOne(Protocol):
    """Another way to the datasets of one study."""

    def sample(self, study: Study) -> tuple[Series, ...]:
        """As `FindSamples.sample`."""
        ...


class FindSamples:
    """`AttributeSource` over ``tools/find``, and another one for what cannot be read so.

    Parameters
    ----------
    keywords
        Attributes to ask for.
    heads
        The same attributes of single files.
    otherwise
        Asked for studies whose datasets did not come, or not certainly from their files.
    cap
        Datasets per series at most, for objects that are no images.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        client: Client,
        keywords: Collection[str],
        heads: FileHeads,
        otherwise: OneByOne,
        *,
        cap: int = 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        tags = sorted(map(tag_of, {*keywords, *SIGNS}))
        self._tags = [*_UIDS, _FILE_WAS_OPENED, *(f"{tag[:4]},{tag[4:]}" for tag in tags)]
        self._heads = heads
        self._otherwise = otherwise
        self._cap = cap
        self._clock = clock
        self._unable_until = clock()

    def sample(self, study: Study) -> tuple[Series, ...]:
        """Read one dataset of each series of images, and each one up to `cap` of a series of other objects.

        Raises
        ------
        StudyError
            As the other way does, which is asked where this one failed.
        Unavailable, AccessDenied, ProtocolViolation
            If the server as a whole does not answer as it should.
        """
        (series,) = self.sample_batch([study])
        return self._otherwise.sample(study) if series is None else series

    def sample_batch(self, studies: Sequence[Study]) -> tuple[tuple[Series, ...] | None, ...]:
        """The same for several studies; None for one that is to be read alone."""
        if not self._is_able():
            return (None,) * len(studies)
        chosen = [[(series, speakers(series, self._cap).first) for series in study.series] for study in studies]
        uids = {instance.sop_instance_uid for series in chosen for _, instances in series for instance in instances}
        answers: dict[_Key, Answer] = {}
        for batch in batched(sorted(uids), _AT_ONCE):
            answers |= self._answers(batch)
        return tuple(self._sampled(study, of_study, answers) for study, of_study in zip(studies, chosen, strict=True))

    def _sampled(
        self, study: Study, chosen: Sequence[tuple[Series, Sequence[Instance]]], answers: Mapping[_Key, Answer]
    ) -> tuple[Series, ...] | None:
        series = _sampled(study, chosen, answers)
        return corrected(study, series, lambda *uids: self._heads.dataset_of(answers[uids], *uids)) if series else None

    def _answers(self, uids: Sequence[str]) -> dict[_Key, Answer]:
        """By instance. What is left out (a broken file spoils an answer, a limit cuts it) is asked for alone."""
        answers = self._asked(uids)
        came = {key[-1] for key in answers}
        for uid in uids if len(uids) > 1 else ():
            if uid not in came:
                answers |= self._asked([uid])
        return answers

    def _is_able(self) -> bool:
        return self._clock() >= self._unable_until and self._client.answers_from_files()

    def _asked(self, uids: Sequence[str]) -> dict[_Key, Answer]:
        if not self._is_able():
            return {}
        try:
            answers = {_key(answer): answer for answer in self._only(self._client.find_datasets(uids, self._tags))}
        except Unavailable as error:
            if error.status != 500:
                raise
            return {}
        except (AccessDenied, Refused) as error:
            if error.status == 401:
                raise
            answers = {}
            self._unable_until = self._clock() + _TRY_AGAIN_S
        if not all(_FILE_WAS_OPENED in answer.part("RequestedTags").json for answer in answers.values()):
            answers = {}
            self._unable_until = self._clock() + _TRY_AGAIN_S
        return answers

    @staticmethod
    def _only(answers: Sequence[Answer]) -> Iterator[Answer]:
        """Those that are alone with their UIDs: of an instance that two patients have nothing is known."""
        counts = Counter(map(_key, answers))
        return (answer for answer in answers if counts[_key(answer)] == 1)


def _key(answer: Answer) -> _Key:
    requested = answer.part("RequestedTags")
    return tuple(requested.text(tag).strip(" \0") for tag in _UIDS)


def _sampled(
    study: Study, chosen: Sequence[tuple[Series, Sequence[Instance]]], answers: Mapping[_Key, Answer]
) -> tuple[Series, ...] | None:
    """The series with their datasets; None where one is missing, or where there is none at all."""
    sampled = []
    for series, instances in chosen:
        datasets: dict[str, Attributes] = {}
        for instance in instances:
            key = (study.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid)
            dataset = _dataset(answers[key], study, series) if key in answers else None
            if dataset is None:
                return None
            datasets[instance.sop_instance_uid] = Attributes(slim(dataset))
        sampled.append(replace(series, sampled=datasets))
    return tuple(sampled) if any(series.sampled for series in sampled) else None


def _dataset(answer: Answer, study: Study, series: Series) -> dict[str, Any] | None:
    """What the instance states; None where that is not certain.

    A row of the study or the series stands before the file, and holds what the first instance stated. So no row may
    name an issuer. The offset of times is that of the series' own row where the study's has one; of the institution
    there is no such row, and each of several instances may have its own.
    """
    of_study, of_series = study.attributes.json, series.attributes.json
    elements = answer.tags("RequestedTags").json
    if not elements.keys() >= _NEEDED or not _ISSUER.isdisjoint((*of_study, *of_series)):
        return None
    if _INSTITUTION_NAME in elements and _INSTITUTION_NAME in of_study and study.number_of_instances > 1:
        return None
    dataset = {tag: element for tag, element in elements.items() if "Value" in element or "undecoded" in element}
    if _TIMEZONE_OFFSET in of_study:
        dataset[_TIMEZONE_OFFSET] = of_series.get(_TIMEZONE_OFFSET, {})
    return dataset
