"""Every golden resource under each preset, against the definitions of its profiles.

Nothing of the definitions is part of this repository. Put them into a folder, one subfolder for each preset (``mii``,
``tw-core``, ``us-core`` …; for R5 ``eu-imaging-r5``) with the JSON files of its FHIR package, then::

    DEFINITIONS=/path/to/folder python -m pytest tests/audit/audit_presets.py
"""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from indexer.mapping import Release, presets
from tests.golden.record import FOLDER, thawed
from tests.unit.mapping.test_presets import endpoint, under, whole_study
from tests.validator import Finding, validate

DEFINITIONS = Path(os.environ.get("DEFINITIONS", ""))
FOLDERS = {"": Release.R4, "-r5": Release.R5}
AUDITED = [
    (name, release, DEFINITIONS / f"{name}{suffix}")
    for name, preset in presets().items()
    for suffix, release in FOLDERS.items()
    if release in preset.profiles and os.environ.get("DEFINITIONS") and (DEFINITIONS / f"{name}{suffix}").is_dir()
]
NOT_OFFLINE = ("http://snomed.info/sct", "Unable to expand ValueSet", "SNOMED CT")
"""A required binding to SNOMED CT cannot be checked without SNOMED CT: the validator calls every code wrong."""


def resources(name: str, release: Release) -> list[dict[str, Any]]:
    """The golden studies under the preset, one with everything, and the Endpoint."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
    studies = [thawed(one["study"]) for one in records if "error" not in one["R4"]]
    found = [under(name, one, release) for one in [*studies, whole_study()]]
    mapped = [resource for one in found for resource in (one.imaging_study, one.patient)]
    return [*mapped, endpoint(name, release, requires_access_token=True)]


def defined(folder: Path) -> set[str]:
    """Canonical URLs of the profiles whose definition is there."""
    return {json.loads(path.read_text(encoding="utf-8"))["url"] for path in folder.glob("StructureDefinition-*.json")}


@pytest.mark.audit
@pytest.mark.parametrize(("name", "release", "folder"), AUDITED, ids=lambda value: getattr(value, "name", value))
def test_no_errors_against_the_profiles(name: str, release: Release, folder: Path) -> None:
    wanted = presets()[name].profiles[release]
    assert set(wanted.values()) - defined(folder) == set(), "the definitions of these profiles are not in the folder"
    claiming = [one for one in resources(name, release) if "meta" in one]
    print(f"\n{name} {release}: {dict(Counter(one['resourceType'] for one in claiming))} claim their profile")
    assert {one["resourceType"] for one in claiming} == wanted.keys()
    bad = spoilt(name, claiming)
    found = [judgeable(one) for one in validate(release, [*claiming, *bad.values()], folder)]
    assert [one for findings in found[: len(claiming)] for one in findings] == []
    passing = [what for what, findings in zip(bad, found[len(claiming) :], strict=True) if not findings]
    print("demanded by us, not by these definitions:", ", ".join(passing) or "nothing")
    assert "wrong status" not in passing


def spoilt(name: str, claiming: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A wrong status, which must fail, and each resource without an element that we say its profile demands.

    A preset may follow a newer edition of its profile than the one that is there, so the latter is told, not held to.
    """
    first = {one["resourceType"]: one for one in claiming[::-1]}
    bad = {"wrong status": first["ImagingStudy"] | {"status": "done"}}
    for kind, one in first.items():
        for lost in presets()[name].demands.get(kind, []):
            if "." not in lost:
                bad[f"no {kind}.{lost}"] = {element: value for element, value in one.items() if element != lost}
    return bad


def judgeable(findings: list[Finding]) -> list[Finding]:
    """The errors that can be judged offline."""
    return [one for one in findings if one.is_error and not any(words in one.message for words in NOT_OFFLINE)]


@pytest.mark.audit
def test_there_are_definitions() -> None:
    assert AUDITED, "set DEFINITIONS to a folder with one subfolder for each preset"
