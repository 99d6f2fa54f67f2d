"""DICOM studies → FHIR resources: pure functions over plain dicts."""

from __future__ import annotations

from indexer.mapping.check import check, fingerprint
from indexer.mapping.context import Cause, Issue
from indexer.mapping.endpoint import endpoint
from indexer.mapping.identity import Identity, patient_key
from indexer.mapping.patient import with_demographics
from indexer.mapping.preset import Preset, presets
from indexer.mapping.requested_tags import sampled_keywords
from indexer.mapping.resolve import resolved
from indexer.mapping.rules import DEFAULT_ELEMENTS, Element, Instances, Release, Rules, Subject, elements_for
from indexer.mapping.study import Mapped, map_study
from indexer.mapping.withdrawal import withdrawn

MAPPING_GENERATION = 2
"""Raised with every change of what a like study becomes, so that everything is written anew."""

__all__ = [
    "DEFAULT_ELEMENTS",
    "MAPPING_GENERATION",
    "Cause",
    "Element",
    "Identity",
    "Instances",
    "Issue",
    "Mapped",
    "Preset",
    "Release",
    "Rules",
    "Subject",
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
