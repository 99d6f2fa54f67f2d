"""Series → ``ImagingStudy.series``, with the specimens that it shows.

Source of the specimens: PS3.3 2024e, C.7.6.22 "Specimen Module".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer.mapping import coding
from indexer.mapping.anatomy import body_site, laterality
from indexer.mapping.dates import series_started
from indexer.mapping.instance import add_titles, distinct, listed
from indexer.mapping.issuer import designated_system
from indexer.mapping.issues import Cause
from indexer.mapping.people import performers
from indexer.mapping.rules import Element
from indexer.mapping.syntax import UID, filled, unsigned
from indexer.mapping.tables import column
from indexer.model.attributes import clean, tag_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.mapping.context import Context
    from indexer.mapping.syntax import Json
    from indexer.model import Attributes, Instance, Series

_CODE_STRING = re.compile(r"[A-Z0-9_]+(?: [A-Z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class MappedSeries:
    """One series element, and what the study needs of it.

    Attributes
    ----------
    number_of_instances
        Distinct instances of the series, listed or not.
    element
        Empty if the series cannot be listed.
    site
        Coding of its body site, None if there is none.
    """

    modality: str
    number_of_instances: int
    element: Json
    site: Json | None = None


def distinct_series(parts: Iterable[Series]) -> list[Series]:
    """Series by UID; what stands under one UID in two places is one series."""
    by_uid: dict[str, Series] = {}
    for series in parts:
        uid = clean(series.series_instance_uid)
        by_uid[uid] = _united(by_uid[uid], series) if uid in by_uid else series
    return list(by_uid.values())


def map_series(series: Series, context: Context) -> MappedSeries:
    """Map one series with what is known of it."""
    uid = clean(series.series_instance_uid)
    instances, count = distinct(series.instances, context.issues)
    modality = _modality(context, instances)
    if not UID.fullmatch(uid):
        context.issues.add("SeriesInstanceUID", Cause.NOT_LISTED)
        return MappedSeries(modality, count, {})
    elements = listed(instances, context) if context.list_instances else []
    if context.wants(Element.TITLE):
        add_titles(elements, series, instances, context)
    site = context.wanted(Element.BODY_SITE, body_site)
    is_whole = len(series.sampled) >= count
    side = laterality(context, site, is_whole=is_whole) if context.wants(Element.LATERALITY) else None
    element = filled(
        uid=uid,
        number=_number(series, context),
        modality=context.encoding.coded(coding.concept(coding.modality(modality))),
        description=_description(context),
        numberOfInstances=count,
        **context.encoding.anatomy(site, side),
        specimen=context.wanted(Element.SPECIMEN, specimens),
        started=series_started(context),
        performer=performers(context),
        instance=elements,
    )
    return MappedSeries(modality, count, element, (site or {}).get("coding", [None])[0])


def specimens(context: Context) -> list[Json]:
    """Logical references to the specimens of the sampled instances, each once."""
    references: list[Json] = []
    for item in context.evidence.items("SpecimenDescriptionSequence"):
        reference = _specimen(item)
        if reference and reference not in references:
            references.append(reference)
    return references


def _united(first: Series, second: Series) -> Series:
    return replace(first, instances=(*first.instances, *second.instances), sampled={**second.sampled, **first.sampled})


def _specimen(item: Attributes) -> Json | None:
    value = item.text("SpecimenIdentifier")
    if value is None:
        return None
    system = designated_system(item.item("IssuerOfTheSpecimenIdentifierSequence"))
    return {"type": "Specimen", "identifier": filled(system=system, value=value)}


def _number(series: Series, context: Context) -> int | None:
    """Series number.

    DICOMweb has no text of it: it wraps a number that is too large, and leaves out what is none. So it is not believed
    where the database has such a text.
    """
    text = series.attributes.text("SeriesNumber")
    if text and unsigned(text) is None and any(map(_is_numbered_by_dicomweb, context.evidence.datasets)):
        context.issues.add("SeriesNumber", Cause.OUT_OF_RANGE)
        return None
    return context.evidence.parsed("SeriesNumber", unsigned, Cause.OUT_OF_RANGE)


def _is_numbered_by_dicomweb(dataset: Attributes) -> bool:
    element = dataset.json.get(tag_of("SeriesNumber"))
    values = element.get("Value") if isinstance(element, dict) else None
    return isinstance(values, list) and not any(isinstance(value, str) for value in values)


def _modality(context: Context, instances: dict[str, Instance]) -> str:
    """Modality as stated; where none is stated, the one that the class of the objects has."""
    stated = context.evidence.chosen(lambda dataset: (dataset.text("Modality") or "").upper() or None, "Modality") or ""
    if _CODE_STRING.fullmatch(stated):
        if stated not in column("modality", 2):
            context.issues.add("Modality", Cause.UNKNOWN_CODE)
        return stated
    context.issues.add("Modality", Cause.MALFORMED if stated else Cause.MISSING)
    inferred = sorted({coding.modality_of_sop_class(instance.sop_class_uid) for instance in instances.values()})
    return next((code for code in inferred if code != coding.OTHER_MODALITY), coding.OTHER_MODALITY)


def _description(context: Context) -> str | None:
    evidence = context.evidence
    meanings = (code.text("CodeMeaning") for code in evidence.items("SeriesDescriptionCodeSequence"))
    return evidence.text("SeriesDescription") or next(filter(None, meanings), None) or evidence.text("ProtocolName")
