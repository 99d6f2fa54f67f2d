"""Instances → ``ImagingStudy.series.instance``. This is the hot path: a study may hold 50,000 of them.

Source of the titles: FHIR R4 and R5 ImagingStudy, mapping to DICOM; PS3.3 2024e, the modules named beside each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping.coding import OTHER_MODALITY, is_acquisition, modality_of_sop_class, name_of_uid
from indexer.mapping.issues import Cause
from indexer.mapping.rules import Element
from indexer.mapping.syntax import MAX_UNSIGNED, UID, unsigned
from indexer.model.attributes import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.mapping.context import Context
    from indexer.mapping.issues import Issues
    from indexer.mapping.rules import Rules
    from indexer.mapping.syntax import Json
    from indexer.model import Attributes, Instance, Series

_UNNUMBERED = MAX_UNSIGNED + 1

_TITLES = (
    "DocumentTitle",  # C.24.2 Encapsulated Document Module
    "StructureSetLabel",  # C.8.8.5 Structure Set Module
    "StructureSetName",
    "RTPlanLabel",  # C.8.8.9 RT General Plan Module
    "ContentLabel",  # 10.9 Content Identification Macro: presentation states, segmentations, registrations
    "ContentDescription",
)


def distinct(instances: Sequence[Instance], issues: Issues) -> tuple[dict[str, Instance], int]:
    """Instances by SOPInstanceUID, and how many there are, those whose UID is none among them; of doubles the first."""
    by_uid: dict[str, Instance] = {}
    broken: set[str] = set()
    for instance in instances:
        uid = instance.sop_instance_uid
        if not UID.fullmatch(uid):
            uid = clean(uid)
            if not UID.fullmatch(uid):
                broken.add(uid)
                continue
        by_uid.setdefault(uid, instance)
    count = len(by_uid) + len(broken)
    issues.add("SOPInstanceUID", Cause.NOT_LISTED, len(broken))
    issues.add("SOPInstanceUID", Cause.DUPLICATE, len(instances) - count)
    return by_uid, count


def listed(instances: dict[str, Instance], context: Context) -> list[Json]:
    """Elements of the instances, by number, then UID; one without a class is left out, because FHIR demands a class."""
    issues = context.issues
    classes = {raw: _class_of(raw, context) for raw in {instance.sop_class_uid for instance in instances.values()}}
    extension = context.rules.preset.frames_extension.get(context.rules.release)
    has_frames = (context.encoding.has_frames or extension) and context.wants(Element.NUMBER_OF_FRAMES)
    ordered = []  # UIDs differ, so that elements are never compared
    for uid, instance in instances.items():
        sop_class = classes[instance.sop_class_uid]
        if sop_class is None:
            issues.add("SOPClassUID", Cause.NOT_LISTED)
            continue
        element = {"uid": uid, "sopClass": sop_class}
        text = instance.instance_number
        number = unsigned(text) if text else None
        if number is not None:
            element["number"] = number
        elif text:
            issues.add("InstanceNumber", Cause.OUT_OF_RANGE)
        if has_frames and instance.number_of_frames:
            _add_frames(element, instance.number_of_frames, extension, issues)
        ordered.append((_UNNUMBERED if number is None else number, uid, element))
    ordered.sort()
    return [element for _, _, element in ordered]


def add_titles(listed: list[Json], series: Series, instances: dict[str, Instance], context: Context) -> None:
    """Put the titles of the sampled instances into their elements; they are meant for objects that are no images."""
    sampled = {clean(uid): dataset for uid, dataset in series.sampled.items()}
    titles = {
        uid: text
        for uid, dataset in sampled.items()
        if uid in instances and (text := _title(dataset, instances[uid].sop_class_uid, context.rules))
    }
    for element in listed if titles else ():
        if element["uid"] in titles:
            element["title"] = titles[element["uid"]]


def _add_frames(element: Json, text: str, extension: str | None, issues: Issues) -> None:
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
