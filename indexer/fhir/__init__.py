"""The FHIR server that the index is kept in."""

from __future__ import annotations

from indexer.fhir.server import FhirServer

__all__ = ["FhirServer"]
