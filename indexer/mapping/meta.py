"""``meta`` of a finished resource: where it comes from and which profile it claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping.issues import Cause
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.mapping.issues import Issues
    from indexer.mapping.rules import Rules


def with_meta(resource: dict[str, Any], rules: Rules, issues: Issues) -> dict[str, Any]:
    """The resource with its ``meta``, if the rules give it any.

    A resource that lacks what the profile demands does not claim it.
    """
    kind = resource["resourceType"]
    profile = rules.preset.profiles.get(rules.release, {}).get(kind)
    lacking = [name for name in rules.preset.demands.get(kind, []) if name not in resource] if profile else []
    for name in lacking:
        issues.add(f"{kind}.{name}", Cause.NOT_CLAIMED)
    meta = filled(source=rules.meta_source, profile=[profile] if profile and not lacking else [])
    if not meta:
        return resource
    return {"resourceType": kind, "id": resource["id"], "meta": meta, **resource}
