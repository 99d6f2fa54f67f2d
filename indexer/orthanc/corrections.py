"""Samples as their own files have them, where Orthanc's database or its decoding may tell otherwise."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from indexer.model import Attributes
from indexer.model.attributes import tag_of
from indexer.sampling import is_doubtful, is_exact
from indexer.sampling.creators import creator, is_mixed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from indexer.model import Series, Study

_OF_STUDY: Final = (
    "AccessionNumber",
    "InstitutionName",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "RequestedProcedureDescription",
    "StudyDate",
    "StudyDescription",
    "StudyID",
    "StudyTime",
    "TimezoneOffsetFromUTC",
)
"""Attributes of patient and study of which Orthanc's database may hold a row."""

_Key = tuple[str, str, str]
"""StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID."""


def corrected(
    study: Study, sampled: Sequence[Series], read_head: Callable[[str, str, str], Attributes | None]
) -> tuple[Series, ...] | None:
    """The series with samples that are true to their files; None where a file that is needed cannot be read.

    A file is read if its texts may have lost characters, if its series has objects of several kinds, and one for each
    creator if the study has several: what it states of the study holds for all samples of its creator.
    """
    samples = {
        (study.study_instance_uid, series.series_instance_uid, uid): (series, dataset)
        for series in sampled
        for uid, dataset in series.sampled.items()
    }
    creators: dict[_Key, Hashable] = {
        key: creator(dataset, series, study.attributes) for key, (series, dataset) in samples.items()
    }
    firsts = {made_by: key for key, made_by in sorted(creators.items(), key=lambda item: item[0], reverse=True)}
    needed = [key for key, (series, dataset) in samples.items() if is_doubtful(dataset) or is_mixed(series)]
    needed += firsts.values() if len(firsts) > 1 else ()
    heads: dict[_Key, Attributes] = {}
    for key in dict.fromkeys(needed):
        head = read_head(*key)
        if head is None or not is_exact(head):
            return None
        heads[key] = head
    return _replaced(study, sampled, heads, {key: firsts[made_by] for key, made_by in creators.items()})


def _replaced(
    study: Study, sampled: Sequence[Series], heads: Mapping[_Key, Attributes], first_of: Mapping[_Key, _Key]
) -> tuple[Series, ...]:
    if not heads:
        return tuple(sampled)
    datasets: defaultdict[str, dict[str, Attributes]] = defaultdict(dict)
    for series in sampled:
        for uid, dataset in series.sampled.items():
            key = (study.study_instance_uid, series.series_instance_uid, uid)
            head = heads.get(key) or _with_study_level(dataset, heads.get(first_of[key]))
            datasets[series.series_instance_uid][uid] = head
    return tuple(replace(series, sampled=datasets[series.series_instance_uid]) for series in sampled)


def _with_study_level(dataset: Attributes, head: Attributes | None) -> Attributes:
    """A dataset with what another file of its creator states where the database's row of the study stood before it."""
    if head is None:
        return dataset
    tags = frozenset(map(tag_of, _OF_STUDY))
    of_study = {tag: element for tag, element in head.json.items() if tag in tags}
    return Attributes({tag: element for tag, element in dataset.json.items() if tag not in tags} | of_study)
