"""The group ``mapping``: what is written of a study."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from indexer.config.keys import Keys, key, mistake
from indexer.config.kinds import Terms, Uri  # noqa: TC001 - pydantic reads the annotations
from indexer.model.choices import DEFAULT_ELEMENTS, Element, Resolvable

# The mapping reads its presets from files; a test holds the names together.
Preset = Literal["base", "us-core", "eu-imaging", "mii", "tw-core", "flute", "ihe-imr", "smart", "digital-twins"]


def _switch(element: Element, what: str) -> Any:
    """Key of an element that is written, not written, or left to the preset."""
    is_on = element in DEFAULT_ELEMENTS
    return key(None, f"{what}; {'on' if is_on else 'off'} in the preset base.", example=is_on, alias=str(element))


class Elements(Keys):
    """Which of the elements that can be switched are written, against the preset."""

    based_on: bool | None = _switch(Element.BASED_ON, "Logical reference to the order, by the accession number")
    procedure: bool | None = _switch(Element.PROCEDURE, "Procedures that were done or requested")
    reason: bool | None = _switch(Element.REASON, "Reasons for the procedure")
    body_site: bool | None = _switch(Element.BODY_SITE, "Body site of a series")
    body_site_text: bool | None = _switch(Element.BODY_SITE_TEXT, "Body sites without a code, as text")
    laterality: bool | None = _switch(Element.LATERALITY, "Side of a series")
    specimen: bool | None = _switch(Element.SPECIMEN, "Logical references to specimens")
    device: bool | None = _switch(Element.DEVICE, "The device as performer of a series")
    title: bool | None = _switch(Element.TITLE, "Titles of objects that are no images")
    image_title: bool | None = _switch(Element.IMAGE_TITLE, "ImageType (0008,0008) as the title of images")
    number_of_frames: bool | None = _switch(
        Element.NUMBER_OF_FRAMES, "Number of frames, where the release or the preset has a place for it"
    )
    sop_class_name: bool | None = _switch(Element.SOP_CLASS_NAME, "Names of the SOP classes")
    organization: bool | None = _switch(Element.ORGANIZATION, "The institution as performer of a series")
    location: bool | None = _switch(Element.LOCATION, "Department or institution of the study")
    encounter: bool | None = _switch(Element.ENCOUNTER, "Logical reference to the stay, by the admission id")
    study_id: bool | None = _switch(Element.STUDY_ID, "StudyID (0020,0010) as a further identifier")
    note: bool | None = _switch(Element.NOTE, "Comments on the study, free text")
    referrer: bool | None = _switch(Element.REFERRER, "The referring physician")
    interpreter: bool | None = _switch(Element.INTERPRETER, "The reading physicians (R4 and R4B)")
    performer: bool | None = _switch(Element.PERFORMER, "Performing physicians and operators of a series")
    started_fallback: bool | None = _switch(
        Element.STARTED_FALLBACK, "The earliest start of a series as that of a study that states none"
    )

    @property
    def switches(self) -> dict[str, bool]:
        """The elements that the file switches, by their names there."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Mapping(Keys):
    """What is written of a study."""

    preset: Preset = key(
        "base", "Profile to meet, see docs/presets.md. It claims its profile only in the releases that have it."
    )
    elements: Elements = key(Elements(), "Switches over those of the preset.")
    coding_schemes: dict[str, Uri] = key(
        {},
        "URI of the code system for each CodingSchemeDesignator (0008,0102), beside and before those that "
        "DICOM defines.",
        example={"99HOSPITAL": "https://example.org/codes"},
    )
    body_parts: Terms = key(
        {},
        "BodyPartExamined (0018,0015) as the site writes it, and the term that DICOM defines for it (PS3.16, Annex L).",
        example={"Thorax a.p.": "CHEST"},
    )
    resolve: list[Resolvable] = key(
        [],
        "References that are looked up in the FHIR server by their identifier: the one resource that bears "
        "it is referred to. These elements are written then.",
        example=["basedOn"],
    )
    meta_source: Uri | None = key(
        None,
        "meta.source of studies and patients. Without it none is written.",
        example="https://pacs.example.org",
    )

    @model_validator(mode="after")
    def _resolved_is_written(self) -> Mapping:
        for name in self.resolve:
            if self.elements.switches.get(name) is False:
                raise mistake(("resolve",), f"expected no {name}, which mapping.elements switches off")
        return self

    @property
    def switches(self) -> dict[str, bool]:
        """The elements that the file switches, those among them that are looked up."""
        return self.elements.switches | dict.fromkeys(self.resolve, True)
