"""Instances → ``ImagingStudy.series.instance``. This is the hot path: a study may hold 50,000 of them.

Source of the titles: FHIR R4 and R5 ImagingStudy, mapping to DICOM; PS3.3 2024e, the modules named beside each.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from indexer.mapping.coding import OTHER_MODALITY, is_acquisition, modality_of_sop_class, name_of_uid
from indexer.mapping.context import Cause
from indexer.mapping.rules import Element
from indexer.mapping.syntax import MAX_UNSIGNED, UID, unsigned
from indexer.model.attributes import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.mapping.context import Context, Issues
    from indexer.mapping.rules import Rules
    from indexer.model import Attributes, Instance, Series

_BY_NUMBER_AND_UID = itemgetter(0, 1)
_UNNUMBERED = MAX_UNSIGNED + 1

_TITLES = (
    "DocumentTitle",  # C.24.2 Encapsulated Document Module
    "StructureSetLabel",  # C.8.8.5 Structure Set Module
    "StructureSetName",
    "RTPlanLabel",  # C.8.8.9 RT General Plan Module
    "ContentLabel",  # 10.9 Content Identification Macro: presentation states, segmentations, registrations
    "ContentDescription",
)


@dataclass(frozen=True, slots=True)
class Distinct:
    """The instances of one series, each once.

    Attributes
    ----------
    by_uid
        Those whose SOPInstanceUID is a UID; of those that share one the first stands.
    count
        How many there are, those with a broken UID among them.
    """

    by_uid: dict[str, Instance]
    count: int


def distinct(instances: Sequence[Instance], issues: Issues) -> Distinct:
    """Instances by SOPInstanceUID."""
    found: dict[str, Instance] = {}
    broken: set[str] = set()
    for instance in instances:
        uid = instance.sop_instance_uid
        if not UID.fullmatch(uid):
            uid = clean(uid)
            if not UID.fullmatch(uid):
                broken.add(uid)
                continue
        found.setdefault(uid, instance)
    count = len(found) + len(broken)
    issues.add("SOPInstanceUID", Cause.NOT_LISTED, len(broken))
    issues.add("SOPInstanceUID", Cause.DUPLICATE, len(instances) - count)
    return Distinct(found, count)


def listed(instances: dict[str, Instance], context: Context) -> list[dict[str, Any]]:
    """Elements of the instances, by number, then UID; one without a class is left out, because FHIR demands a class."""
    classes: dict[str | None, Any] = {}
    rows = []
    extension = context.rules.preset.frames_extension.get(context.rules.release)
    has_frames = (context.encoding.has_frames or extension) and context.wants(Element.NUMBER_OF_FRAMES)
    for uid, instance in instances.items():
        raw_class = instance.sop_class_uid
        if raw_class not in classes:
            classes[raw_class] = _class_of(raw_class, context)
        if classes[raw_class] is None:
            context.issues.add("SOPClassUID", Cause.NOT_LISTED)
            continue
        row = _row(uid, classes[raw_class], instance.instance_number, context.issues)
        if has_frames and instance.number_of_frames:
            _add_frames(row[2], instance.number_of_frames, extension, context.issues)
        rows.append(row)
    rows.sort(key=_BY_NUMBER_AND_UID)
    return [row[2] for row in rows]


def add_titles(listed: list[dict[str, Any]], series: Series, instances: dict[str, Instance], context: Context) -> None:
    """Put the titles of the sampled instances into their elements; they are meant for objects that are no images."""
    titles = {
        clean(uid): _title(dataset, instances[clean(uid)].sop_class_uid, context.rules)
        for uid, dataset in series.sampled.items()
        if clean(uid) in instances
    }
    if not any(titles.values()):
        return
    for element in listed:
        text = titles.get(element["uid"])
        if text:
            element["title"] = text


def _row(uid: str, sop_class: Any, number_text: str | None, issues: Issues) -> tuple[int, str, dict[str, Any]]:
    element = {"uid": uid, "sopClass": sop_class}
    if not number_text:
        return _UNNUMBERED, uid, element
    number = unsigned(number_text)
    if number is None:
        issues.add("InstanceNumber", Cause.OUT_OF_RANGE)
        return _UNNUMBERED, uid, element
    element["number"] = number
    return number, uid, element


def _add_frames(element: dict[str, Any], text: str, extension: str | None, issues: Issues) -> None:
    frames = unsigned(text)
    if frames is None:
        issues.add("NumberOfFrames", Cause.OUT_OF_RANGE)
    elif extension:
        element["extension"] = [{"url": extension, "valueInteger": frames}]
    else:
        element["numberOfFrames"] = frames


def _class_of(raw: str | None, context: Context) -> Any:
    uid = clean(raw or "")
    if not UID.fullmatch(uid):
        return None
    name = name_of_uid(uid) if context.wants(Element.SOP_CLASS_NAME) else None
    return context.encoding.sop_class(uid, name)


def _title(dataset: Attributes, sop_class_uid: str | None, rules: Rules) -> str | None:
    """Title of one sampled instance; of images only where the rules ask for it, then its ImageType."""
    modality = modality_of_sop_class(sop_class_uid)
    if modality == OTHER_MODALITY or is_acquisition(modality):
        return "\\".join(dataset.texts("ImageType")) or None if Element.IMAGE_TITLE in rules.elements else None
    concept_name = dataset.item("ConceptNameCodeSequence").text("CodeMeaning")  # C.17.3 SR Document Content Module
    return concept_name or next((text for text in map(dataset.text, _TITLES) if text), None)
