"""Which samples of a study were made by the same equipment in the same registration.

An archive's database has of a study what the first instance that arrived stated. Objects of one creator agree with it
or differ from it together: a key object or a secondary capture that was made elsewhere may state another StudyDate,
StudyDescription or AccessionNumber than the images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from indexer.model.objects import is_image

if TYPE_CHECKING:
    from collections.abc import Hashable

    from indexer.model import Attributes, Series

SIGNS: Final = (
    "AdmissionID",
    "DeviceSerialNumber",
    "InstanceCreatorUID",
    "ManufacturerModelName",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PerformedProcedureStepID",
    "RequestAttributesSequence",
    "IssuerOfAccessionNumberSequence",
    "SoftwareVersions",
    "SpecificCharacterSet",
)
"""Attributes of the file in which two creators usually differ; no database of Orthanc holds them."""

_OF_SERIES: Final = ("Manufacturer", "StationName")


def creator(dataset: Attributes, series: Series, study: Attributes) -> Hashable:
    """Equal for samples that one creator made.

    Parameters
    ----------
    dataset
        With the attributes `SIGNS`.
    study
        What the database says of the study. A series of another day than the study's is taken for another creator's.
    """
    of_file = tuple(repr(dataset.values(keyword)) for keyword in SIGNS)
    of_series = tuple(series.attributes.text(keyword) for keyword in _OF_SERIES)
    day = series.attributes.text("SeriesDate")
    return of_file, of_series, day if day != study.text("StudyDate") else None


def is_mixed(series: Series) -> bool:
    """Whether samples of a series are of several kinds: the database describes the one that came first."""
    kinds = {instance.sop_class_uid for instance in series.instances if instance.sop_instance_uid in series.sampled}
    return len(kinds) > 1 and not all(map(is_image, kinds))
