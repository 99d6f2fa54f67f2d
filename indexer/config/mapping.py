"""The group ``mapping``: what a site has written.

Presets and elements are those of the mapping; this layer does not know it, so a test holds the names together.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from indexer.config.keys import Keys, mistake
from indexer.config.values import Terms, Uri  # noqa: TC001 - pydantic reads the annotations

Preset = Literal["base", "us-core", "eu-imaging", "mii", "tw-core", "flute", "ihe-imr", "smart", "digital-twins"]


def _switch(name: str, what: str, *, base: bool) -> Any:
    """Key of an element that is written, not written, or left to the preset."""
    text = f"{what}; {'on' if base else 'off'} in the preset base."
    return Field(default=None, alias=name, description=text, examples=[base])


class Elements(Keys):
    """Which of the elements that can be switched are written, against the preset."""

    based_on: bool | None = _switch("basedOn", "Logical reference to the order, by the accession number", base=True)
    procedure: bool | None = _switch("procedure", "Procedures that were done or requested", base=True)
    reason: bool | None = _switch("reason", "Reasons for the procedure", base=True)
    body_site: bool | None = _switch("bodySite", "Body site of a series", base=True)
    body_site_text: bool | None = _switch("bodySiteText", "Body sites without a code, as text", base=True)
    laterality: bool | None = _switch("laterality", "Side of a series", base=True)
    specimen: bool | None = _switch("specimen", "Logical references to specimens", base=True)
    device: bool | None = _switch("device", "The device as performer of a series", base=True)
    title: bool | None = _switch("title", "Titles of objects that are no images", base=True)
    image_title: bool | None = _switch("imageTitle", "ImageType (0008,0008) as the title of images", base=False)
    number_of_frames: bool | None = _switch(
        "numberOfFrames", "Number of frames, where the release or the preset has a place for it", base=True
    )
    sop_class_name: bool | None = _switch("sopClassName", "Names of the SOP classes", base=True)
    organization: bool | None = _switch("organization", "The institution as performer of a series", base=False)
    location: bool | None = _switch("location", "Department or institution of the study", base=False)
    encounter: bool | None = _switch("encounter", "Logical reference to the stay, by the admission id", base=False)
    study_id: bool | None = _switch("studyId", "StudyID (0020,0010) as a further identifier", base=False)
    note: bool | None = _switch("note", "Comments on the study, free text", base=False)
    referrer: bool | None = _switch("referrer", "The referring physician", base=False)
    interpreter: bool | None = _switch("interpreter", "The reading physicians (R4 and R4B)", base=False)
    performer: bool | None = _switch("performer", "Performing physicians and operators of a series", base=False)
    started_fallback: bool | None = _switch(
        "startedFallback", "The earliest start of a series as that of a study that states none", base=False
    )

    @property
    def switches(self) -> dict[str, bool]:
        """The elements that the file switches, by their names there."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Mapping(Keys):
    """What is written of a study."""

    preset: Preset = Field(
        default="base",
        description="Profile to meet, see docs/presets.md. It claims its profile only in the releases that have it.",
    )
    elements: Elements = Field(default=Elements(), description="Switches over those of the preset.")
    coding_schemes: dict[str, Uri] = Field(
        default_factory=dict,
        description="URI of the code system for each CodingSchemeDesignator (0008,0102), beside and before those that "
        "DICOM defines.",
        examples=[{"99HOSPITAL": "https://example.org/codes"}],
    )
    body_parts: Terms = Field(
        default_factory=dict,
        description="BodyPartExamined (0018,0015) as the site writes it, and the term that DICOM defines for it "
        "(PS3.16, Annex L).",
        examples=[{"Thorax a.p.": "CHEST"}],
    )
    resolve: list[Literal["basedOn", "encounter", "referrer"]] = Field(
        default_factory=list,
        description="References that are looked up in the FHIR server by their identifier: the one resource that bears "
        "it is referred to. These elements are written then.",
        examples=[["basedOn"]],
    )
    meta_source: Uri | None = Field(
        default=None,
        description="meta.source of studies and patients. Without it none is written.",
        examples=["https://pacs.example.org"],
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
