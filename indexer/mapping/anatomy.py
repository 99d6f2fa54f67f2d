"""Which part of the body, and which side.

Sources: PS3.3 2024e, 10.5 "General Anatomy Macros" and C.7.3.1 "General Series Module"; PS3.16 2024e, Annex L
"Correspondence of Anatomic Region Codes and Body Part Examined Defined Terms" and CID 244 "Laterality".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from indexer.mapping.coding import SNOMED_CT, coding, concept
from indexer.mapping.issues import Cause
from indexer.mapping.rules import Element
from indexer.mapping.tables import column

if TYPE_CHECKING:
    from indexer.mapping.coding import Entries
    from indexer.mapping.context import Context
    from indexer.mapping.syntax import Json
    from indexer.model import Attributes

_SIDES = {
    "R": coding(SNOMED_CT, "24028007", "Right"),
    "L": coding(SNOMED_CT, "7771000", "Left"),
    "B": coding(SNOMED_CT, "51440002", "Right and left"),
}
_SIDE_OF_CODE = {side["code"]: letter for letter, side in _SIDES.items()}
_UNPAIRED = "U"
_NOT_IN_TERM = re.compile(r"[\s_.\-]+")


def body_site(context: Context) -> Json | None:
    """Concept of the region: by AnatomicRegionSequence, else by BodyPartExamined."""
    evidence = context.evidence
    regions = [
        context.entries.concepts("AnatomicRegionSequence", _regions(dataset)[:1]) for dataset in evidence.datasets
    ]
    stated = evidence.undisputed("AnatomicRegionSequence", [region[0] for region in regions if region])
    site = stated or _by_term(context)
    return site if site and ("coding" in site or context.wants(Element.BODY_SITE_TEXT)) else None


def laterality(context: Context, site: Json | None, *, is_whole: bool) -> Json | None:
    """Concept of the side.

    Parameters
    ----------
    site
        Concept of the region: a side that contradicts it is left out.
    is_whole
        Whether every instance was sampled. The side of one image says nothing of its neighbours, and a wrong side
        harms, so that only then the sides of the images are taken where the series states none.
    """
    evidence = context.evidence
    letter = evidence.undisputed_text("Laterality")
    if letter is None and is_whole:
        letters = [_side_of_image(dataset, context.entries) for dataset in evidence.datasets]
        letter = evidence.undisputed("ImageLaterality", letters)
    if not letter or letter == _UNPAIRED:
        return None
    if letter not in _SIDES:
        evidence.issues.add("Laterality", Cause.UNKNOWN_CODE)
        return None
    if _contradicts(letter, site):
        evidence.issues.add("Laterality", Cause.DISAGREES)
        return None
    return concept(_SIDES[letter])


def _by_term(context: Context) -> Json | None:
    text = context.evidence.undisputed_text("BodyPartExamined")
    if text is None:
        return None
    term = _NOT_IN_TERM.sub("", context.rules.body_parts.get(text, text)).upper()
    meaning, code = column("body-part", 2).get(term), column("body-part").get(term)
    if meaning is None:
        context.issues.add("BodyPartExamined", Cause.UNKNOWN_CODE)
    return concept(coding(SNOMED_CT, code, meaning) if code else {}, text=meaning or text)


def _regions(dataset: Attributes) -> tuple[Attributes, ...]:
    own = dataset.items("AnatomicRegionSequence")
    return own or _frames(dataset).items("AnatomicRegionSequence")


def _frames(dataset: Attributes) -> Attributes:
    return dataset.item("SharedFunctionalGroupsSequence").item("FrameAnatomySequence")


def _side_of_image(dataset: Attributes, entries: Entries) -> str:
    """Side that one image states, empty where it states none."""
    letter = dataset.text("ImageLaterality") or _frames(dataset).text("FrameLaterality")
    if letter:
        return letter
    modifiers = [item for region in _regions(dataset)[:1] for item in region.items("AnatomicRegionModifierSequence")]
    concepts = entries.concepts("AnatomicRegionModifierSequence", modifiers)
    codes = [concept["coding"][0]["code"] for concept in concepts if "coding" in concept]
    return next((_SIDE_OF_CODE[code] for code in codes if code in _SIDE_OF_CODE), "")


def _contradicts(letter: str, site: Json | None) -> bool:
    first = (site or {}).get("text", "").split(" ", maxsplit=1)[0].casefold()
    return (first, letter) in {("left", "R"), ("right", "L"), ("left", "B"), ("right", "B")}
