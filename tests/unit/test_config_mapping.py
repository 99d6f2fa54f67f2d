"""The group ``mapping``: what a site may choose there, and what it is told of mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.test_config import MINIMAL, load
from tests.unit.test_config_mistakes import SECRET, problems_of, top

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_written(tmp_path: Path) -> None:
    text = f"""{MINIMAL}mapping:
  preset: eu-imaging
  elements: {{bodySite: off, referrer: '${{PERSONS}}'}}
  coding_schemes: {{99HOSPITAL: 'https://example.org/codes'}}
  body_parts: {{'Thorax a.p.': CHEST, 5: L SPINE}}
  meta_source: urn:oid:1.2.3
"""
    wanted = load(text, tmp_path, PERSONS="true").config.mapping
    assert wanted.preset == "eu-imaging"
    assert wanted.elements.switches == {"bodySite": False, "referrer": True}
    assert wanted.coding_schemes == {"99HOSPITAL": "https://example.org/codes"}
    assert wanted.body_parts == {"Thorax a.p.": "CHEST", "5": "L SPINE"}
    assert wanted.meta_source == "urn:oid:1.2.3"


ONE_MISTAKE = [
    (top("mapping: us-core"), 7, "mapping", "expected keys with values"),
    (top("mapping: {preset: us_core}"), 7, "mapping.preset", "did you mean us-core?"),
    (top("mapping: {preset: EU-Imagin}"), 7, "mapping.preset", "did you mean eu-imaging?"),
    (top("mapping: {preset: ''}"), 7, "mapping.preset", "expected one of base, us-core, eu-imaging, mii"),
    (top("mapping: {preset: [base]}"), 7, "mapping.preset", "expected one of base, us-core"),
    (top("mapping:\n  elements:\n    body_site: false"), 9, "mapping.elements.body_site", "did you mean bodySite?"),
    (top("mapping: {elements: {basedon: off}}"), 7, "mapping.elements.basedon", "did you mean basedOn?"),
    (top("mapping: {elements: {deviceSubject: on}}"), 7, "mapping.elements.deviceSubject", "unknown key"),
    (top("mapping: {elements: {note: perhaps}}"), 7, "mapping.elements.note", "expected true or false"),
    (top("mapping: {elements: {note: }}"), 7, "mapping.elements.note", "the key has no value"),
    (top("mapping: {elements: [note]}"), 7, "mapping.elements", "expected keys with values"),
    (top("mapping: {referrer: true}"), 7, "mapping.referrer", "it belongs under mapping.elements"),
    (top("preset: mii"), 7, "preset", "it belongs under mapping"),
    (top("mapping: {coding_schemes: {99X: codes}}"), 7, "mapping.coding_schemes.99X", "absolute URI"),
    (top("mapping: {body_parts: {Thorax: Chest}}"), 7, "mapping.body_parts.Thorax", "such as CHEST"),
    (top("mapping: {body_parts: {Thorax: 7}}"), 7, "mapping.body_parts.Thorax", "expected text"),
    (top("mapping: {meta_source: here}"), 7, "mapping.meta_source", "absolute URI"),
]


@pytest.mark.parametrize(("text", "line", "key", "expected"), ONE_MISTAKE)
def test_one_mistake(text: str, line: int, key: str, expected: str, tmp_path: Path) -> None:
    (problem,) = problems_of(text, tmp_path)
    assert problem.startswith(f"config.yaml:{line}: {key}: ")
    assert expected in problem


@pytest.mark.parametrize(
    "text",
    [
        top(f"mapping: {{preset: {SECRET}, meta_source: {SECRET}, elements: {{note: {SECRET}}}}}"),
        top(f"mapping: {{coding_schemes: {{A: {SECRET}}}, body_parts: {{A: {SECRET}}}}}"),
    ],
)
def test_no_problem_quotes_a_value(text: str, tmp_path: Path) -> None:
    assert SECRET not in "\n".join(problems_of(text, tmp_path))
