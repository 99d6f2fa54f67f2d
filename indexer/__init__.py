"""Keeps a FHIR server's ImagingStudy index true to one or more Orthanc PACS."""

from __future__ import annotations

__version__ = "0.1.0"
