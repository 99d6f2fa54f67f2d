"""Presets: what a profile asks for, as data (``data/presets.json``)."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PAYLOAD_TYPE: Mapping[str, Any] = {"text": "DICOM WADO-RS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What the resources are to look like for one profile.

    Attributes
    ----------
    profiles
        By release, then resource type: canonical URL for ``meta.profile``.
    demands
        By resource type: elements that the profile demands and that DICOM may lack. A resource without one of them
        does not claim the profile. ``a.b`` is demanded of each ``a`` that there is.
    single
        By resource type: lists of which the profile allows but one item; the same holds for them.
    add, remove
        Switched elements, against the default.
    payload_type
        ``payloadType`` of the Endpoint.
    frames_extension, regions
        By release: URL of the extension for the number of frames of an instance, and for the regions of a study.
    region_codes
        SNOMED CT codes that `regions` may hold.
    token_extension
        URL of the Endpoint's extension that says whether a SMART access token is wanted.
    patient_identifier_use
        ``identifier.use`` of a patient number.
    """

    name: str = "base"
    profiles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    demands: Mapping[str, list[str]] = field(default_factory=dict)
    single: Mapping[str, list[str]] = field(default_factory=dict)
    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()
    payload_type: Mapping[str, Any] = field(default_factory=lambda: DEFAULT_PAYLOAD_TYPE)
    frames_extension: Mapping[str, str] = field(default_factory=dict)
    regions: Mapping[str, str] = field(default_factory=dict)
    region_codes: frozenset[str] = frozenset()
    token_extension: str | None = None
    patient_identifier_use: str = "usual"


@functools.cache
def presets() -> Mapping[str, Preset]:
    """Every preset by name."""
    text = resources.files(__package__).joinpath("data", "presets.json").read_bytes()
    return {name: _preset(name, content) for name, content in orjson.loads(text).items()}


def _preset(name: str, content: Mapping[str, Any]) -> Preset:
    return Preset(
        name=name,
        profiles=content.get("profiles", {}),
        demands=content.get("demands", {}),
        single=content.get("single", {}),
        add=frozenset(content.get("add", [])),
        remove=frozenset(content.get("remove", [])),
        payload_type=content.get("payloadType", DEFAULT_PAYLOAD_TYPE),
        frames_extension=content.get("framesExtension", {}),
        regions=content.get("regions", {}),
        region_codes=frozenset(content.get("regionCodes", [])),
        token_extension=content.get("tokenExtension"),
        patient_identifier_use=content.get("patientIdentifierUse", "usual"),
    )
