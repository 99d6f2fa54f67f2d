"""Every golden resource under each preset, against the definitions of its profile.

Nothing of the definitions is part of this repository. Put them into a folder, one subfolder for each preset (``mii``,
``tw-core``, ``us-core`` …) with the JSON files of its FHIR package, then::

    DEFINITIONS=/path/to/folder python -m pytest tests/audit/audit_presets.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from indexer.mapping import Release, presets
from tests.golden.record import FOLDER, thawed
from tests.unit.mapping.test_presets import under, whole_study
from tests.validator import validate

DEFINITIONS = Path(os.environ.get("DEFINITIONS", ""))
NAMES = [name for name in presets() if os.environ.get("DEFINITIONS") and (DEFINITIONS / name).is_dir()]
NOT_OFFLINE = ("http://snomed.info/sct", "Unable to expand ValueSet", "SNOMED CT")
"""A required binding to SNOMED CT cannot be checked without SNOMED CT: the validator calls every code wrong."""


def resources(name: str) -> list[dict[str, Any]]:
    """The golden studies under the preset, and one with everything."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
    studies = [thawed(one["study"]) for one in records if "error" not in one["R4"]]
    found = [under(name, one, Release.R4) for one in [*studies, whole_study()]]
    return [resource for one in found for resource in (one.imaging_study, one.patient)]


def defined(name: str) -> set[str]:
    """Canonical URLs of the profiles whose definition is there."""
    files = (DEFINITIONS / name).glob("StructureDefinition-*.json")
    return {json.loads(path.read_text(encoding="utf-8"))["url"] for path in files}


@pytest.mark.audit
@pytest.mark.parametrize("name", NAMES)
def test_no_errors_against_the_profile(name: str) -> None:
    known = defined(name)
    claiming = [one for one in resources(name) if "meta" in one and one["meta"]["profile"][0] in known]
    findings = [one for found in validate("R4", claiming, DEFINITIONS / name) for one in found if one.is_error]
    assert claiming
    assert [one for one in findings if not any(words in one.message for words in NOT_OFFLINE)] == []


@pytest.mark.audit
def test_there_are_definitions() -> None:
    assert NAMES, "set DEFINITIONS to a folder with one subfolder for each preset"
