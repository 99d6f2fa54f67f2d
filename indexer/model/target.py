"""Resources as a FHIR server knows them, and what it tells about itself and answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PATIENT: Final = re.compile(r"Patient/[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True, order=True)
class ResourceKey:
    """Type and logical identity of a resource.

    Attributes
    ----------
    type
        FHIR resource type.
    key
        StudyInstanceUID of an ImagingStudy, keyed hash of a Patient's identifier, name of an Endpoint's source.
    """

    type: str
    key: str

    @property
    def reference(self) -> str:
        """``Type/key``: how mapped resources refer to it, before it is known which id it has."""
        return f"{self.type}/{self.key}"

    def literal(self, fhir_id: str) -> str:
        """``Type/id``: how resources refer to it on the server."""
        return f"{self.type}/{fhir_id}"


def literal_references(ids: Iterable[tuple[ResourceKey, str | None]]) -> dict[str, str]:
    """``Type/id`` by `ResourceKey.reference`, of the resources whose id is known."""
    return {key.reference: key.literal(fhir_id) for key, fhir_id in ids if fhir_id is not None}


def successor(patient: Mapping[str, Any]) -> str | None:
    """Reference to the Patient that replaced this one; None if none did, or if more than one is named.

    Only links of type ``replaced-by`` say so: ``refer`` and ``seealso`` are of records that are both in use.
    Source: FHIR R4 (4.0.1) "Patient", ``Patient.link``, and "LinkType".
    """
    links = (link for link in patient.get("link") or () if isinstance(link, dict) and link.get("type") == "replaced-by")
    others = (link["other"].get("reference") for link in links if isinstance(link.get("other"), dict))
    references = {other for other in others if isinstance(other, str) and _PATIENT.fullmatch(other)}
    return references.pop() if len(references) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetInfo:
    """What a FHIR server says of itself.

    Attributes
    ----------
    fhir_version
        ``CapabilityStatement.fhirVersion`` such as ``4.0.1``, None where it has no readable statement.
    software
        Name and version for the log, empty if unsaid.
    """

    fhir_version: str | None
    software: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A resource that is known by its identifier alone.

    Attributes
    ----------
    system
        None if the identifier has none: then only its value can be asked for.
    """

    type: str
    system: str | None
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryResult:
    """The answer to one entry of a Bundle, or to one request.

    Attributes
    ----------
    status
        HTTP status code of this entry.
    version_id
        Version that the server gave the resource, if it says so.
    fhir_id
        Id that the resource has there, if it says so.
    outcome
        OperationOutcome as JSON; may hold patient data, never logged as it is.
    retry_after_s
        Seconds that the server asks us to wait.
    """

    status: int
    version_id: str | None = None
    fhir_id: str | None = None
    outcome: dict[str, Any] | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A resource read back from the server."""

    resource: dict[str, Any]
    version_id: str | None
