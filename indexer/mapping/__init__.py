"""DICOM studies → FHIR resources: pure functions over plain dicts."""

from __future__ import annotations

from indexer.mapping.check import check
from indexer.mapping.endpoint import endpoint
from indexer.mapping.fingerprint import fingerprint
from indexer.mapping.identity import endpoint_id, imaging_study_id, patient_id, patient_key
from indexer.mapping.issues import Cause, Issue
from indexer.mapping.preset import Preset, presets
from indexer.mapping.rules import DEFAULT_ELEMENTS, Element, Instances, Release, Rules, elements_for
from indexer.mapping.study import Mapped, map_study

MAPPING_GENERATION = 1
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
    "check",
    "elements_for",
    "endpoint",
    "endpoint_id",
    "fingerprint",
    "imaging_study_id",
    "map_study",
    "patient_id",
    "patient_key",
    "presets",
]
