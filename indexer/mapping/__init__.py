"""DICOM studies → FHIR resources: pure functions over plain dicts."""

from __future__ import annotations

from indexer.mapping.check import check, fingerprint
from indexer.mapping.endpoint import endpoint
from indexer.mapping.imaging_study import withdrawn
from indexer.mapping.issues import Cause, Issue
from indexer.mapping.patient import patient_key, with_demographics
from indexer.mapping.preset import Preset, presets
from indexer.mapping.resolve import resolved
from indexer.mapping.rules import (
    DEFAULT_ELEMENTS,
    Element,
    Instances,
    Release,
    Rules,
    Subject,
    WithoutNumber,
    elements_for,
    sampled_keywords,
)
from indexer.mapping.study import Mapped, map_study

MAPPING_GENERATION = 3
"""Raised with every change of what a like study becomes, so that everything is written anew."""

__all__ = [
    "DEFAULT_ELEMENTS",
    "MAPPING_GENERATION",
    "Cause",
    "Element",
    "Instances",
    "Issue",
    "Mapped",
    "Preset",
    "Release",
    "Rules",
    "Subject",
    "WithoutNumber",
    "check",
    "elements_for",
    "endpoint",
    "fingerprint",
    "map_study",
    "patient_key",
    "presets",
    "resolved",
    "sampled_keywords",
    "with_demographics",
    "withdrawn",
]
