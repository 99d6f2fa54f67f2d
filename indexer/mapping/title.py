"""Titles of instances → ``series.instance.title``; they are meant for objects that are no images.

Source: FHIR R4 and R5 ImagingStudy, mapping to DICOM; PS3.3 2024e, the modules named beside each attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.mapping import coding
from indexer.mapping.rules import Element

if TYPE_CHECKING:
    from indexer.mapping.rules import Rules
    from indexer.model import Attributes

_TITLES = (
    "DocumentTitle",  # C.24.2 Encapsulated Document Module
    "StructureSetLabel",  # C.8.8.5 Structure Set Module
    "StructureSetName",
    "RTPlanLabel",  # C.8.8.9 RT General Plan Module
    "ContentLabel",  # 10.9 Content Identification Macro: presentation states, segmentations, registrations
    "ContentDescription",
)


def title(dataset: Attributes, sop_class_uid: str | None, rules: Rules) -> str | None:
    """Title of one sampled instance; of images only where the rules ask for it, then its ImageType."""
    modality = coding.modality_of_sop_class(sop_class_uid)
    if modality == coding.OTHER_MODALITY or coding.is_acquisition(modality):
        return "\\".join(dataset.texts("ImageType")) or None if Element.IMAGE_TITLE in rules.elements else None
    concept_name = dataset.item("ConceptNameCodeSequence").text("CodeMeaning")  # C.17.3 SR Document Content Module
    return concept_name or next((text for text in map(dataset.text, _TITLES) if text), None)
