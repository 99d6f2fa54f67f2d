"""Everything about the mapping that a site can choose."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from indexer.mapping.preset import Preset
from indexer.mapping.tables import rows
from indexer.model.choices import DEFAULT_ELEMENTS, Element, Instances, Release, WithoutNumber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from indexer.model.choices import IssuerUse, Resolvable

__all__ = ["DEFAULT_ELEMENTS", "Element", "Instances", "Release", "Rules", "Subject", "WithoutNumber"]


class Subject(StrEnum):
    """How a study speaks of its patient."""

    REFERENCE = "reference"
    LOGICAL = "logical"
    CONTAINED = "contained"


def elements_for(preset: Preset) -> frozenset[Element]:
    """Switched elements that a preset writes."""
    return (DEFAULT_ELEMENTS | {Element(name) for name in preset.add}) - {Element(name) for name in preset.remove}


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
    without_number
        What becomes of a study without a PatientID.
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
    issuer: IssuerUse = "read"
    issuer_systems: Mapping[str, str] = field(default_factory=dict)
    accession_systems: Mapping[str, str] = field(default_factory=dict)
    accession_system: str | None = None
    instances: Instances = field(default_factory=Instances)
    coding_schemes: Mapping[str, str] = field(default_factory=dict)
    body_parts: Mapping[str, str] = field(default_factory=dict)
    elements: frozenset[Element] = DEFAULT_ELEMENTS
    subject: Subject = Subject.REFERENCE
    without_number: WithoutNumber = WithoutNumber.QUARANTINE
    device_patient_ids: tuple[str, ...] = ()
    preset: Preset = field(default_factory=Preset)
    meta_source: str | None = None
    resolve: tuple[Resolvable, ...] = ()
    requires_access_token: bool | None = None


def sampled_keywords(rules: Rules) -> frozenset[str]:
    """Attributes that the mapping reads from the dataset of a single instance: no more than these are asked for."""
    wanted = {"always", *rules.elements}
    return frozenset(keyword for keyword, elements in rows("sampled") if not wanted.isdisjoint(elements.split()))
