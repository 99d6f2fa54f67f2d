"""``meta`` of a finished resource: where it comes from, and which profile it claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping.issues import Cause
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.mapping.issues import Issues
    from indexer.mapping.preset import Preset
    from indexer.mapping.rules import Rules
    from indexer.mapping.syntax import Json


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
