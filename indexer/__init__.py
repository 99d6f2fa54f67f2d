"""Keeps a FHIR server's ImagingStudy index in sync with one or more Orthanc PACS."""

from __future__ import annotations

__version__ = "0.1.0"
