"""Everything about the mapping that a site can choose."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from indexer.mapping.preset import Preset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from indexer.mapping.resolve import Resolvable


class Release(StrEnum):
    """FHIR releases that resources can be made for."""

    R4 = "R4"
    R4B = "R4B"
    R5 = "R5"
    R6 = "R6"


class Subject(StrEnum):
    """How a study speaks of its patient."""

    REFERENCE = "reference"
    LOGICAL = "logical"
    CONTAINED = "contained"


class Element(StrEnum):
    """Elements that a site can switch on and off; the rest is always written where DICOM states it."""

    BASED_ON = "basedOn"
    PROCEDURE = "procedure"
    REASON = "reason"
    BODY_SITE = "bodySite"
    BODY_SITE_TEXT = "bodySiteText"
    LATERALITY = "laterality"
    SPECIMEN = "specimen"
    DEVICE = "device"
    TITLE = "title"
    IMAGE_TITLE = "imageTitle"
    NUMBER_OF_FRAMES = "numberOfFrames"
    SOP_CLASS_NAME = "sopClassName"
    ORGANIZATION = "organization"
    LOCATION = "location"
    ENCOUNTER = "encounter"
    STUDY_ID = "studyId"
    NOTE = "note"
    REFERRER = "referrer"
    INTERPRETER = "interpreter"
    PERFORMER = "performer"
    STARTED_FALLBACK = "startedFallback"
    DEVICE_SUBJECT = "deviceSubject"


DEFAULT_ELEMENTS = frozenset(
    {
        Element.BASED_ON,
        Element.PROCEDURE,
        Element.REASON,
        Element.BODY_SITE,
        Element.BODY_SITE_TEXT,
        Element.LATERALITY,
        Element.SPECIMEN,
        Element.DEVICE,
        Element.TITLE,
        Element.NUMBER_OF_FRAMES,
        Element.SOP_CLASS_NAME,
    }
)
"""Without persons, places, stays and free text, which a site has to want."""


def elements_for(preset: Preset) -> frozenset[Element]:
    """Switched elements that a preset writes."""
    return (DEFAULT_ELEMENTS | {Element(name) for name in preset.add}) - {Element(name) for name in preset.remove}


@dataclass(frozen=True, slots=True)
class Instances:
    """Whether single instances are listed below their series; counts are exact either way.

    Attributes
    ----------
    cap
        With ``capped``: a study of more instances than this lists none of them.
    """

    level: Literal["full", "capped", "none"] = "full"
    cap: int | None = None

    def are_listed(self, number_of_instances: int) -> bool:
        """Whether a study of so many instances lists them."""
        if self.level == "capped":
            return self.cap is None or number_of_instances <= self.cap
        return self.level == "full"


def _no_systems() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How studies of one source are mapped.

    Attributes
    ----------
    site_key
        Secret behind the ids of Patients and the digests of names.
    patient_id_system
        ``identifier.system`` of a PatientID that names no issuer.
    issuer
        ``ignore`` takes every PatientID as the source's own, whatever issuer it names.
    issuer_systems
        Text or universal id of an issuer → ``identifier.system``.
    accession_systems
        The same for the issuers of accession numbers.
    accession_system
        ``identifier.system`` of an accession number that names no issuer; None leaves the system out.
    timezone
        Zone of times that state no offset; None keeps the date alone.
    coding_schemes
        Coding scheme designator → URI of its code system, beside and before those that DICOM defines.
    body_parts
        BodyPartExamined as this site writes it → the term that DICOM defines.
    elements
        Which of the elements that can be switched are written; `elements_for` gives those of a preset.
    subject
        How a study speaks of its patient: by a Patient resource, by the identifier alone, or with the Patient inside.
    device_patient_ids
        Patterns (``*``, ``?``, ``[…]``) of PatientIDs that are phantoms or other devices, for `Element.DEVICE_SUBJECT`.
    preset
        What a profile asks for beyond the switches.
    meta_source
        ``meta.source`` of studies and patients, a URI; None writes none.
    resolve
        Logical references that are looked up in the FHIR server; their literal form is written beside the identifier.
    requires_access_token
        Whether the DICOMweb service wants the SMART access token, for presets that tell it.
    """

    site_key: bytes = field(repr=False)
    patient_id_system: str
    release: Release = Release.R4
    timezone: ZoneInfo | None = None
    issuer: Literal["read", "ignore"] = "read"
    issuer_systems: Mapping[str, str] = field(default_factory=_no_systems)
    accession_systems: Mapping[str, str] = field(default_factory=_no_systems)
    accession_system: str | None = None
    instances: Instances = field(default_factory=Instances)
    coding_schemes: Mapping[str, str] = field(default_factory=_no_systems)
    body_parts: Mapping[str, str] = field(default_factory=_no_systems)
    elements: frozenset[Element] = DEFAULT_ELEMENTS
    subject: Subject = Subject.REFERENCE
    device_patient_ids: tuple[str, ...] = ()
    preset: Preset = field(default_factory=Preset)
    meta_source: str | None = None
    resolve: tuple[Resolvable, ...] = ()
    requires_access_token: bool | None = None
