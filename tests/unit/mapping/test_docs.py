"""`docs/mapping.md` and the code in step."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

from indexer import mapping
from indexer.mapping import Cause, Element, Release
from indexer.model import Instance
from tests.fakes.attributes import over
from tests.resources import with_id
from tests.unit.mapping.studies import CT, INSTANCE_UID, PATIENT, code, dataset, mapped, rules, series, study
from tests.unit.mapping.test_switched_elements import EVERYTHING

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
CELL = re.compile(r"(?<!\\)\|")
ROWS = [[cell.strip(" `") for cell in CELL.split(line)[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]
ATTRIBUTE = re.compile(r"(\w+) \(([0-9A-F]{4}),([0-9A-F]{4})\)")
NOT_ATTRIBUTES = {"", "Location"}
"""Words of the code that are DICOM keywords by accident: the FHIR resource type shares its name with (0020,0050)."""


def everything(release: Release) -> list[dict[str, Any]]:
    """Resources in which every element that the mapping can write is written, with and without what presets add."""
    own = dataset(
        {"ReasonForStudy": "x", "BodyPartExamined": "HEART", "Laterality": "R", "AccessionNumber": "A1"} | PATIENT,
        ProcedureCodeSequence=[code("24627-2", "LN", "Chest CT")],
        SpecimenDescriptionSequence=[dataset({"SpecimenIdentifier": "B-1"})],
    )
    sample = over(own, EVERYTHING)
    of_series = {"SeriesNumber": "1", "SeriesDate": "20240102", "SeriesDescription": "x"}
    instances = (Instance(INSTANCE_UID, CT, "1", "2"),)
    one = series(of_series, instances=instances, sampled={INSTANCE_UID: sample})
    whole = study({"StudyDate": "20240102", "StudyDescription": "x"}, one)
    found = []
    for preset in mapping.presets().values():
        changes = {"release": release, "preset": preset, "meta_source": "https://pacs.example.org"}
        made = mapped(whole, elements=frozenset(Element), subject=mapping.Subject.CONTAINED, **changes)
        applied = rules(requires_access_token=True, **changes)
        service = mapping.endpoint("https://pacs.example.org", identifier="e1", source="main", rules=applied)
        service = with_id(service, "e1")
        found += [made.imaging_study, made.patient, service]
    return found


def paths(resource: dict[str, Any]) -> Iterator[str]:
    kind = resource["resourceType"]
    yield from (f"{kind}.{name}" for name in resource if name != "resourceType")
    for one in resource.get("series", []):
        yield from (f"series.{name}" for name in one)
        yield from (f"instance.{name}" for instance in one["instance"] for name in instance)


def test_every_element_has_a_row_and_every_row_an_element() -> None:
    for release in Release:
        written = {path for resource in everything(release) for path in paths(resource)}
        told = {element for element, releases, *_ in ROWS if release in releases.split()}
        assert written == told, release


def test_every_attribute_of_the_code_is_told_and_none_else() -> None:
    sources = (ROOT / "indexer" / "mapping").glob("*.py")
    words = {
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    read = {word for word in words - NOT_ATTRIBUTES if tag_for_keyword(word)}
    assert read | {"StudyInstanceUID"} == {keyword for keyword, _, _ in ATTRIBUTE.findall(PAGE)}


def test_every_module_is_told() -> None:
    section = PAGE.split("## Where the code is", maxsplit=1)[1].split("\n## ", maxsplit=1)[0]
    told = [
        name for line in re.findall(r"^\* ([^:]*):", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)
    ]
    modules = {path.stem for path in (ROOT / "indexer" / "mapping").glob("*.py")}
    assert sorted(told) == sorted(modules - {"__init__"})


def test_tags_are_right() -> None:
    for keyword, group, element in ATTRIBUTE.findall(PAGE):
        assert tag_for_keyword(keyword) == int(group + element, 16), keyword


def test_named_tests_exist() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert len(ROWS) > 40
    assert [name for *_, name in ROWS if f"def {name}(" not in tests] == []


def test_switches_are_told_with_their_defaults() -> None:
    told = {
        (word, state.startswith("on"))
        for *_, switch, _ in ROWS
        if switch.strip()
        for word, state in [switch.strip().split(", ", maxsplit=1)]
    }
    assert told | {("bodySiteText", True)} == {(one.value, one in mapping.DEFAULT_ELEMENTS) for one in Element}


def test_causes_are_told() -> None:
    listed = PAGE[PAGE.index("keyword and cause:") :].split("\n\n", maxsplit=1)[0]
    assert set(re.findall(r"`(\w+)`", listed)) == {cause.value for cause in Cause}
