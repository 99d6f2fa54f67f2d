"""Presets: what a profile asks for, as data (``data/presets.json``); and ``meta``, where a resource claims it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

import orjson

from indexer.mapping.context import Cause
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from indexer.mapping.context import Issues
    from indexer.mapping.rules import Rules
    from indexer.mapping.syntax import Json


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


def with_meta(resource: Json, rules: Rules, issues: Issues) -> Json:
    """The resource with its ``meta``, if the rules give it any.

    A resource that lacks what the profile demands does not claim it.
    """
    kind = resource["resourceType"]
    profile = rules.preset.profiles.get(rules.release, {}).get(kind)
    lacking = _unmet(resource, rules.preset) if profile else []
    for name in lacking:
        issues.add(f"{kind}.{name}", Cause.NOT_CLAIMED)
    meta = filled(source=rules.meta_source, profile=[profile] if profile and not lacking else [])
    if not meta:
        return resource
    return {"resourceType": kind, "meta": meta, **resource}


def _unmet(resource: Json, preset: Preset) -> list[str]:
    """Names of the elements by which a resource fails its profile."""
    kind = resource["resourceType"]
    lacking = [name for name in preset.demands.get(kind, []) if not _stands(resource, name)]
    return lacking + [name for name in preset.single.get(kind, []) if len(resource.get(name, [])) > 1]


def _stands(resource: Json, name: str) -> bool:
    """Whether an element is there; one below a list must be in each item that there is."""
    first, *rest = name.split(".")
    return all(_reaches(item, rest) for item in resource.get(first, [])) if rest else first in resource


def _reaches(item: Any, names: list[str]) -> bool:
    for name in names:
        if name not in item:
            return False
        item = item[name]
    return True
