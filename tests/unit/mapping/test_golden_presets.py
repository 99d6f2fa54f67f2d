"""What each preset makes of studies; `tests.golden.presets` writes the records."""

import json
from typing import Any

import pytest

from indexer.mapping import check, presets
from tests.golden.presets import FOLDER, STUDIES, releases, result


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def test_every_preset_has_a_record() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == presets().keys()


@pytest.mark.parametrize("name", presets())
def test_preset_is_as_recorded(name: str) -> None:
    assert recorded(name) == {release.value: result(name, release) for release in releases(name)}


@pytest.mark.parametrize("name", presets())
def test_records_are_sound_and_claim_the_profiles_where_they_can(name: str) -> None:
    for release in releases(name):
        content = recorded(name)[release]
        mapped = [content[one][kind] for one in STUDIES for kind in ("ImagingStudy", "Patient")]
        resources = [content["Endpoint"], *mapped]
        assert all(check(one, release) == () for one in resources)
        claimed = {one["resourceType"]: one["meta"]["profile"][0] for one in resources if "meta" in one}
        assert claimed == presets()[name].profiles.get(release, {})


def test_presets_differ_but_for_those_without_a_profile() -> None:
    assert recorded("base") == recorded("digital-twins")
    others = [json.dumps(recorded(name)) for name in presets() if name != "digital-twins"]
    assert len(set(others)) == len(others)
