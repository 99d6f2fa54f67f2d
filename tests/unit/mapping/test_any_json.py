"""Whatever the JSON holds, a study becomes checked resources or a study error, in strict JSON."""

from collections import Counter
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer import mapping
from indexer.errors import StudyInvalid, StudyNotReady
from indexer.model import Attributes, Study
from indexer.model.attributes import tag_of
from tests.unit.mapping.any_study import REFERENCES, RULES, SCALARS, STUDIES
from tests.unit.mapping.r6 import mistakes
from tests.unit.mapping.test_fhirclient import read_strictly

RARE = 50_000
"""Of so many studies each error is met."""

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)


def assert_strict(resource: dict[str, Any], release: mapping.Release) -> None:
    """Strict JSON that reads back as itself, sound by our own check and by an independent model of the release."""
    assert orjson.loads(orjson.dumps(resource)) == resource
    assert mapping.check(resource, release) == ()
    if release is mapping.Release.R6:
        assert mistakes(resource) == []
    elif release is not mapping.Release.R5:
        read_strictly(resource)


def becomes(study: Study, applied: mapping.Rules, reference: str | None) -> str:
    """What a study becomes: how it names its patient, or the cause of the error; nothing else is allowed."""
    try:
        found = mapping.map_study(study, applied)
    except (StudyInvalid, StudyNotReady) as error:
        return str(error.cause)
    assert_strict(found.imaging_study, applied.release)
    assert_strict({**found.patient, "id": "as-sent"}, applied.release)
    assert found == mapping.map_study(study, applied)
    subject = found.imaging_study["subject"]
    is_literal = subject.get("reference", "#").startswith("Patient/")
    return subject.get("type") or ("reference" if is_literal else "contained")


def any_study_becomes_sound_resources_or_an_error(examples: int) -> Counter[str]:
    """Try so many studies; how many became what."""
    became: Counter[str] = Counter()

    @settings(max_examples=examples, suppress_health_check=SLOW, deadline=None, database=None)
    @given(study=STUDIES, applied=RULES, reference=REFERENCES)
    def attempt(study: Study, applied: mapping.Rules, reference: str | None) -> None:
        became[becomes(study, applied, reference)] += 1

    attempt()
    return became


def assert_all_outcomes(became: Counter[str], examples: int) -> None:
    """Many studies were mapped, in each way of naming the patient, and each error was met."""
    mapped = {name: became[name] for name in ("reference", "contained", "Patient", "Device")}
    assert sum(mapped.values()) > examples / 4, became
    assert min(mapped.values()) > examples / 100, became
    errors = {"bad_study_uid", "no_patient_id", "bad_patient_id", "identity_conflict", "issuer_unread"}
    met = became.keys() - mapped.keys()
    assert met <= errors, became
    assert met == errors or examples < RARE, "instances that state two patients are rare"


def test_any_study_becomes_sound_resources_or_an_error() -> None:
    assert_all_outcomes(any_study_becomes_sound_resources_or_an_error(2_000), 2_000)


JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(element=JSON)
def test_any_element_can_be_read(element: Any) -> None:
    found = Attributes({tag_of("PatientName"): element})
    found.texts("PatientName")
    found.person_names("PatientName")
    assert all(isinstance(item, Attributes) for item in found.items("PatientName"))
