"""Single datasets over DICOMweb, for attributes that no archive's database holds."""

from __future__ import annotations

from indexer.dicomweb.samples import DicomWebSamples, FileReader

__all__ = ["DicomWebSamples", "FileReader"]
