import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from indexer.bundle import mask, strip

PATIENT = {
    "resourceType": "Patient",
    "id": "0a1b",
    "text": "Patient.ada",
    "identifier": [{"system": "urn:oid:1.2.3", "value": "MRN-77"}],
    "name": [{"family": "O'Brien", "given": ["Ada", "J"]}],
    "birthDate": "1970-02-03",
}


def outcome(diagnostics: str, **more: object) -> dict[str, Any]:
    issue = {"severity": "error", "code": "processing", "diagnostics": diagnostics, **more}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def test_keeps_what_helps() -> None:
    said = (
        'HAPI-0450: Failed to parse request body as JSON resource. Error was: HAPI-1821: [element="gender"] '
        "Invalid attribute value \"xyz\": Unknown AdministrativeGender code: 'xyz'"
    )
    found = strip(outcome(said, expression=["Bundle.entry[3].resource.ofType(Patient).name[0]"]), [PATIENT])
    assert found == (
        "error processing Bundle.entry[3].resource.ofType(Patient).name[0]: HAPI-0450: Failed to parse request body as "
        'JSON resource. Error was: HAPI-1821: [element="gender"] Invalid attribute value […]: Unknown '
        "AdministrativeGender code: […]"
    )


@pytest.mark.parametrize(
    "said",
    [
        "Patient O'Brien, Ada is known",
        "Patient O'BRIEN is known, so is ADA",
        "number MRN-77",
        "born 1970-02-03, or 03.02.1970, or 19700203, or 1970",
        "urn:oid:1.2.3 at 1.2.3.4.5",
        "Patient 'Meier, Eva' is in the way",
        "held by “Meier, Eva”, «Meier, Eva», `Meier, Eva`",
        'never closed: "Meier, Eva',
        "never closed: 'Meier, Eva",
        "over\nlines: O'Brien",
    ],
)
def test_no_patient_data(said: str) -> None:
    found = strip(outcome(said), [PATIENT])
    assert "[…]" in found
    for secret in ("brien", "ada", "mrn", "1970", "03", "1.2.3", "meier", "eva"):
        assert secret not in found.lower()


def test_short_values_are_masked_as_words_only() -> None:
    assert mask("CT of ct and Act", ["CT"]) == "[…] of […] and Act"
    assert mask("CTA", ["CT"]) == "[…]A"


def test_touching_spans_become_one() -> None:
    assert mask("abcd and more", ["ab", "cd", "bc"]) == "[…] and more"


def test_endless_diagnostics_are_not_quoted() -> None:
    assert mask("x" * 10_001, []) == "[…]"


@pytest.mark.parametrize(
    "issue",
    [
        {"severity": "Eva", "code": "Meier", "diagnostics": "no"},
        {"severity": ["error"], "code": {"a": 1}, "diagnostics": "no"},
        {
            "expression": ["Patient.name.where(family='Meier')", "Meier.eva", "Patient.ada", 7, "/f:Patient"],
            "diagnostics": "no",
        },
        {"expression": "Patient.name", "diagnostics": "no"},
        {"details": ["Meier"], "diagnostics": "no"},
    ],
)
def test_only_known_words_and_paths_stand_beside_the_text(issue: dict[str, Any]) -> None:
    assert strip({"issue": [issue]}, [PATIENT]) == ": no"


def test_details_are_read_too() -> None:
    issue = {"severity": "error", "code": "invalid", "details": {"text": "Ada is late"}}
    assert (
        strip({"issue": [issue, "Ada", issue]}, [PATIENT]) == "error invalid: […] is late; error invalid: […] is late"
    )


@pytest.mark.parametrize("nothing", [None, {}, {"issue": "Ada"}, {"issue": []}])
def test_nothing_said(nothing: dict[str, Any] | None) -> None:
    assert strip(nothing, [PATIENT]) == ""


def test_is_short() -> None:
    found = strip({"issue": [*outcome("word " * 90)["issue"] * 9]}, [])
    assert len(found) == 500
    assert found.endswith("…")


# What is left of a text and the mark itself may stand side by side, so values with characters of the mark are no test.
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="[…]"), min_size=2, max_size=12).filter(
    lambda value: len(value.strip()) > 1 and value == " ".join(value.split())
)


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6), st.data())
def test_no_sent_value_survives(values: list[str], data: st.DataObject) -> None:
    words = st.one_of(st.sampled_from(values), st.sampled_from([" ", "is", "'", '"', ": ", "-"]), st.text(max_size=5))
    text = "".join(data.draw(st.lists(words, max_size=12)))
    masked = mask(text, values)
    assert not [value for value in values if value in masked]
    assert not re.search(r"\d{4,}", masked)


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6), st.data())
def test_no_sent_value_survives_in_an_outcome(values: list[str], data: st.DataObject) -> None:
    said = " ".join(data.draw(st.lists(st.sampled_from(values), min_size=1)))
    sent = {"resourceType": "Patient", "name": [{"family": values[0], "given": values[1:]}], "active": True}
    found = strip(outcome(said, expression=["Patient.name[0]", said]), [sent])
    skeleton = strip(outcome("", expression=["Patient.name[0]"]), [{"resourceType": "Patient"}])
    for value in values:
        assume(value not in skeleton)
        assert value not in found
