"""Series → ``ImagingStudy.series``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexer.mapping import coding, instance
from indexer.mapping.anatomy import body_site, laterality, side
from indexer.mapping.evidence import Evidence
from indexer.mapping.issues import Cause, Issues
from indexer.mapping.performer import performers
from indexer.mapping.rules import Element
from indexer.mapping.specimen import specimens
from indexer.mapping.started import series_started
from indexer.mapping.syntax import MAX_UNSIGNED, UID, filled, unsigned
from indexer.mapping.title import title
from indexer.model.attributes import clean

if TYPE_CHECKING:
    from indexer.mapping.context import Context
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
    site
        Coding of its body site, None if there is none.
    """

    uid: str
    modality: str
    number_of_instances: int
    element: dict[str, Any] | None
    site: dict[str, Any] | None = None

    @property
    def order(self) -> tuple[int, str]:
        """By number, then UID; series without a number come last."""
        number = MAX_UNSIGNED + 1 if self.element is None else self.element.get("number", MAX_UNSIGNED + 1)
        return number, self.uid


def map_series(series: Series, context: Context) -> MappedSeries:
    """Map one series."""
    uid = clean(series.series_instance_uid)
    instances = instance.distinct(series.instances, context.issues)
    sampled = tuple(series.sampled[key] for key in sorted(series.sampled))
    evidence = Evidence(series.attributes, sampled, context.issues)
    modality = _modality(evidence, instances.by_uid)
    if not UID.fullmatch(uid):
        context.issues.add("SeriesInstanceUID", Cause.NOT_LISTED)
        return MappedSeries(uid, modality, instances.count, None)
    listed = instance.listed(instances.by_uid, context) if context.list_instances else []
    if context.wants(Element.TITLE):
        _add_titles(listed, series, instances.by_uid, context)
    site = _site(evidence, context)
    element = filled(
        uid=uid,
        number=_number(series, context.issues),
        modality=context.encoding.coded(coding.concept(coding.modality(modality))),
        description=_description(evidence),
        numberOfInstances=instances.count,
        **_anatomy(evidence, context, site, is_whole=len(sampled) >= instances.count),
        specimen=specimens(evidence) if context.wants(Element.SPECIMEN) else [],
        started=series_started(evidence, context.rules),
        performer=performers(evidence, context.entries, context.rules),
        instance=listed,
    )
    return MappedSeries(uid, modality, instances.count, element, (site or {}).get("coding", [None])[0])


def _site(evidence: Evidence, context: Context) -> dict[str, Any] | None:
    site = body_site(evidence, context.entries, context.rules) if context.wants(Element.BODY_SITE) else None
    if site and "coding" not in site and not context.wants(Element.BODY_SITE_TEXT):
        return None
    return site


def _anatomy(evidence: Evidence, context: Context, site: dict[str, Any] | None, *, is_whole: bool) -> dict[str, Any]:
    letter = None
    if context.wants(Element.LATERALITY):
        letter = laterality(evidence, context.entries, site, is_whole=is_whole)
    return context.encoding.anatomy(site, side(letter) if letter else None)


def _add_titles(listed: list[dict[str, Any]], series: Series, instances: dict[str, Instance], context: Context) -> None:
    titles = {
        clean(uid): title(dataset, instances[clean(uid)].sop_class_uid, context.rules)
        for uid, dataset in series.sampled.items()
        if clean(uid) in instances
    }
    if not any(titles.values()):
        return
    for element in listed:
        text = titles.get(element["uid"])
        if text:
            element["title"] = text


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
