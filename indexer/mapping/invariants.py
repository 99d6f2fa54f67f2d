"""What must hold inside one ImagingStudy beyond the syntax of its elements; no validator checks this in R4 and R5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_UID_VALUE = "urn:oid:"


def invariants(study: Mapping[str, Any]) -> Iterator[str]:
    """Rules that a study of sound elements still breaks."""
    series = study.get("series", [])
    uids = [one["value"] for one in study["identifier"] if one.get("system") == "urn:dicom:uid" and "value" in one]
    if len(uids) != 1 or not uids[0].startswith(_UID_VALUE):
        yield "ImagingStudy.identifier: not exactly one urn:dicom:uid with urn:oid:"
    if _has_doubles([one["uid"] for one in series]):
        yield "ImagingStudy.series.uid: a UID twice"
    if study.get("numberOfSeries", len(series)) < len(series):
        yield "ImagingStudy.numberOfSeries: less than the series listed"
    counts = [one.get("numberOfInstances", 0) for one in series]
    if study.get("numberOfInstances", sum(counts)) < sum(counts):
        yield "ImagingStudy.numberOfInstances: less than the series' numbers together"
    for one in series:
        yield from _series_invariants(one)


def _series_invariants(series: Mapping[str, Any]) -> Iterator[str]:
    instances = series.get("instance", [])
    if _has_doubles([one["uid"] for one in instances]):
        yield "ImagingStudy.series.instance.uid: a UID twice"
    if series.get("numberOfInstances", len(instances)) < len(instances):
        yield "ImagingStudy.series.numberOfInstances: less than the instances listed"


def _has_doubles(uids: Sequence[str]) -> bool:
    return len(set(uids)) != len(uids)
