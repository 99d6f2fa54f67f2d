"""Series → ``ImagingStudy.series``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexer.mapping import coding, instance
from indexer.mapping.evidence import Evidence
from indexer.mapping.issues import Cause, Issues
from indexer.mapping.release import SHAPES
from indexer.mapping.started import series_started
from indexer.mapping.syntax import MAX_UNSIGNED, UID, filled, unsigned
from indexer.model.attributes import clean

if TYPE_CHECKING:
    from indexer.mapping.rules import Rules
    from indexer.model import Instance, Series

_CODE_STRING = re.compile(r"[A-Z0-9_]+(?: [A-Z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class MappedSeries:
    """One series element, and what the study needs of it.

    Attributes
    ----------
    number_of_instances
        Distinct instances of the series, listed or not.
    element
        None if the series cannot be listed.
    """

    uid: str
    modality: str
    number_of_instances: int
    element: dict[str, Any] | None

    @property
    def order(self) -> tuple[int, str]:
        """By number, then UID; series without a number come last."""
        number = MAX_UNSIGNED + 1 if self.element is None else self.element.get("number", MAX_UNSIGNED + 1)
        return number, self.uid


def map_series(series: Series, rules: Rules, *, list_instances: bool, issues: Issues) -> MappedSeries:
    """Map one series."""
    uid = clean(series.series_instance_uid)
    instances = instance.distinct(series.instances, issues)
    evidence = Evidence(series.attributes, tuple(series.sampled[key] for key in sorted(series.sampled)), issues)
    modality = _modality(evidence, instances.by_uid)
    if not UID.fullmatch(uid):
        issues.add("SeriesInstanceUID", Cause.NOT_LISTED)
        return MappedSeries(uid, modality, instances.count, None)
    shape = SHAPES[rules.release]
    element = filled(
        uid=uid,
        number=_number(series, issues),
        modality=shape.coded(coding.concept(coding.modality(modality))),
        description=_description(evidence),
        numberOfInstances=instances.count,
        started=series_started(evidence, rules),
        instance=instance.listed(instances.by_uid, shape.sop_class, issues) if list_instances else [],
    )
    return MappedSeries(uid, modality, instances.count, element)


def _number(series: Series, issues: Issues) -> int | None:
    """Series number by the database alone: DICOMweb wraps a number that is too large."""
    text = series.attributes.text("SeriesNumber")
    number = unsigned(text) if text else None
    if text and number is None:
        issues.add("SeriesNumber", Cause.OUT_OF_RANGE)
    return number


def _modality(evidence: Evidence, instances: dict[str, Instance]) -> str:
    """Modality as stated; where none is stated, the one that the class of the objects has."""
    stated = (evidence.text("Modality") or "").upper()
    if _CODE_STRING.fullmatch(stated):
        if not coding.is_defined_modality(stated):
            evidence.issues.add("Modality", Cause.UNKNOWN_CODE)
        return stated
    evidence.issues.add("Modality", Cause.MALFORMED if stated else Cause.MISSING)
    inferred = sorted({coding.modality_of_sop_class(one.sop_class_uid) for one in instances.values()})
    return next((code for code in inferred if code != coding.OTHER_MODALITY), coding.OTHER_MODALITY)


def _description(evidence: Evidence) -> str | None:
    stated = evidence.text("SeriesDescription")
    if stated:
        return stated
    codes = evidence.items("SeriesDescriptionCodeSequence")
    return next((text for text in (code.text("CodeMeaning") for code in codes) if text), evidence.text("ProtocolName"))
