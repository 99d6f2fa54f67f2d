"""Presets: what a profile asks for, as data (``data/presets.json``)."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


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
    add: Collection[str] = ()
    remove: Collection[str] = ()
    payload_type: Mapping[str, Any] = field(default_factory=lambda: {"text": "DICOM WADO-RS"})
    frames_extension: Mapping[str, str] = field(default_factory=dict)
    regions: Mapping[str, str] = field(default_factory=dict)
    region_codes: Collection[str] = ()
    token_extension: str | None = None
    patient_identifier_use: str = "usual"


@functools.cache
def presets() -> Mapping[str, Preset]:
    """Every preset by name."""
    text = resources.files(__package__).joinpath("data", "presets.json").read_bytes()
    return {name: Preset(name=name, **content) for name, content in orjson.loads(text).items()}
