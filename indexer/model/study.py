"""A DICOM study as a source holds it.

Source: PS3.3 2024e, A.1.2 "Composite IOD Information Entity-Relationship Model": Study, Series, Instance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer.model.attributes import Attributes


_UID_LIKE: Final = re.compile(r"[0-9.]{1,64}")


def is_uid_like(text: str) -> bool:
    """Whether a text has the characters and the length of a UID (PS3.5 2024e, section 9.1).

    Nothing else may get into a path, or into a query, where it would be a wildcard or a list of values.
    """
    return _UID_LIKE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, order=True)
class StudyLocation:
    """Where a study stands: a source's name and that source's own id of the study, which nothing else reads."""

    source: str
    location_id: str
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP Instance, from the source's database.

    Attributes
    ----------
    instance_number, number_of_frames
        As received (IS), None if absent.
    """

    sop_instance_uid: str
    sop_class_uid: str | None = None
    instance_number: str | None = None
    number_of_frames: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series.

    Attributes
    ----------
    attributes
        What the source's database holds at series level.
    sampled
        Whole datasets (without pixel data) of the instances that were read one by one, by SOPInstanceUID: one for a
        series of images, each one up to a cap for other objects, none where that read is switched off.
    """

    series_instance_uid: str
    attributes: Attributes
    instances: tuple[Instance, ...]
    sampled: Mapping[str, Attributes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One whole study, read at one moment from one source.

    Attributes
    ----------
    attributes
        What the source's database holds at study level, the patient's attributes among them.
    last_update
        Orthanc's LastUpdate of the study (UTC, ``YYYYMMDDTHHMMSS``), None where the source has no such thing.
    is_sampled
        Whether datasets were read beside the database, so that an absent attribute is known to be absent.
    """

    study_instance_uid: str
    source: str
    attributes: Attributes
    series: tuple[Series, ...]
    last_update: str | None = None
    is_sampled: bool = False

    @property
    def number_of_instances(self) -> int:
        return sum(len(series.instances) for series in self.series)
