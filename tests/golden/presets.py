"""Record what each preset makes of some golden studies: ``python -m tests.golden.presets``.

The studies are those that `tests.golden.record` froze; look at the difference before it is committed.
"""

import json
from dataclasses import replace
from typing import Any, Final

from indexer import mapping
from indexer.mapping import Release, elements_for, presets
from tests.golden.record import FOLDER as STUDIES_FOLDER
from tests.golden.record import rules, thawed
from tests.resources import ENDPOINT_ID, as_put, with_id

FOLDER: Final = STUDIES_FOLDER / "presets"
STUDIES: Final = (
    "codes",
    "place-and-stay",
    "xa-multi-frame",
    "body-part-unknown",
    "series-before-study",
    "de-identified",
)
"""Codes and orders; persons, places and stays; frames; a site without a code; dates; and a study that lacks much."""
_ADDRESS: Final = "https://pacs.example.org/dicom-web"


def releases(name: str) -> tuple[Release, ...]:
    """The releases of a preset's profiles; R4 where it has none."""
    return tuple(Release(one) for one in presets()[name].profiles) or (Release.R4,)


def result(name: str, release: Release) -> dict[str, Any]:
    """The Endpoint, and of each study both resources and the issues."""
    preset = presets()[name]
    applied = replace(rules(release), preset=preset, elements=elements_for(preset), requires_access_token=True)
    service = with_id(mapping.endpoint(_ADDRESS, identifier=ENDPOINT_ID, source="main", rules=applied), ENDPOINT_ID)
    return {"Endpoint": service} | {study: _mapped(study, applied) for study in STUDIES}


def _mapped(study: str, applied: mapping.Rules) -> dict[str, Any]:
    content = json.loads((STUDIES_FOLDER / f"{study}.json").read_text(encoding="utf-8"))
    found = as_put(mapping.map_study(thawed(content["study"]), applied))
    issues = [f"{issue.keyword}: {issue.cause} × {issue.count}" for issue in found.issues]
    return {"ImagingStudy": found.imaging_study, "Patient": found.patient, "issues": issues}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in presets():
        content = {release.value: result(name, release) for release in releases(name)}
        text = json.dumps(content, ensure_ascii=False, indent=1)
        (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
