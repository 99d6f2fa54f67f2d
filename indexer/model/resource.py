"""What a resource is, whatever id a FHIR server gives it."""

from __future__ import annotations

from dataclasses import dataclass


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
