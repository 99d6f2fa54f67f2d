"""What becomes of each resource."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from indexer import mapping
from indexer.model import Lookup, Patient, Published, ResourceKey
from indexer.model.choices import PatientMode
from indexer.plan import (
    Action,
    MappedStudy,
    PatientPolicy,
    TargetState,
    Verb,
    WritePlan,
    bound_references,
    plan_endpoint,
    plan_withdrawal,
    plan_writes,
    study_lookup,
)
from indexer.strategies import patient_id
from tests.resources import put_strategy
from tests.unit.mapped_studies import KEY, endpoint, known, mapped, patient, study_id

STUDY, PATIENT = ResourceKey("ImagingStudy", "1.2.1"), ResourceKey("Patient", KEY)
ORDER = Lookup("ServiceRequest", None, "A1")


def plan(*studies: MappedStudy, policy: PatientPolicy | None = None, **state: Any) -> WritePlan:
    state = {"endpoints": {"main": "e1"}, **state}
    return plan_writes(studies, TargetState(**state), policy or PatientPolicy(), put_strategy())


def planned(*studies: MappedStudy, **options: Any) -> tuple[Action, Patient]:
    """The Patient of these studies, and what the ledger knows of it afterwards."""
    found = plan(*studies, **options)
    return found.actions[PATIENT], found.patients[KEY]


def confirmed(study: MappedStudy, **changes: Any) -> Published:
    references = plan(study).references
    stated = {"fingerprint": study.fingerprint, "references": bound_references(study, references)}
    return Published(
        study_instance_uid=study.key.key,
        fhir_id=study_id(),
        version_id="3",
        last_update=None,
        number_of_series=1,
        number_of_instances=2,
        patient_key=KEY,
        **{"mapping_generation": 1, **stated, **changes},
    )


def test_a_new_patient_goes_once_with_all_its_studies() -> None:
    found = plan(mapped(1), mapped(2), mapped(3, key="b" * 64))
    assert [action.key.reference for action in found.actions.values()] == [
        f"Patient/{KEY}",
        f"Patient/{'b' * 64}",
        *(f"ImagingStudy/1.2.{number}" for number in (1, 2, 3)),
    ]
    assert {action.verb for action in found.actions.values()} == {Verb.CREATE}
    assert found.references[f"Patient/{KEY}"] == f"Patient/{patient_id(KEY)}"
    assert found.references["Endpoint/main"] == "Endpoint/e1"


def test_of_several_studies_the_latest_speaks() -> None:
    studies = [mapped(1, basis="2024", words="new"), mapped(2, basis="2020", words="old")]
    for order in (studies, studies[::-1]):
        action, row = planned(*order)
        assert action.body == b"new"
        assert (row.fingerprint, row.basis) == ("new", "2024")
        assert set(row.names) == {"name-new", "name-old"}


def test_an_earlier_study_does_not_turn_the_patient_back() -> None:
    held = known(patient("new", "2024"))
    action, row = planned(mapped(basis="2020", words="old"), patients={KEY: held})
    assert not action.is_due
    assert row == replace(held, names=("name-new", "name-old"))


def test_two_studies_that_disagree_do_not_flip_flop() -> None:
    """Whatever comes in whatever order, the later study's words stay and each is written at most once."""
    old, new = mapped(1, basis="2020", words="old"), mapped(2, basis="2024", words="new")
    patients: dict[str, Patient] = {}
    writes = []
    for study in (old, new, old, new, old):
        action, row = planned(study, patients=patients)
        writes.append(action.body.decode() if action.is_due else None)
        patients[KEY] = row
    assert writes == ["old", "new", None, None, None]


def test_the_same_study_corrected_changes_the_patient() -> None:
    held = known(patient("a", "2024"))
    assert PatientPolicy().is_due(held, patient("b", "2024"))
    assert not PatientPolicy().is_due(held, patient("a", "2025"))
    assert not PatientPolicy().is_due(held, patient("b", "2023"))
    assert PatientPolicy().is_due(None, patient("a", ""))


def test_names_are_counted_up_to_a_limit() -> None:
    _, row = planned(*[mapped(number, words=f"w{number}") for number in range(20)])
    assert len(row.names) == row.MAX_NAMES
    held = known(patient("a", "2024"), names=("x", "y"))
    _, row = planned(mapped(patient=patient("a", "2024", names=())), patients={KEY: held})
    assert row.names == ("x", "y"), "a study without a name counts as none"


@pytest.mark.parametrize(
    ("mode", "verb"), [(PatientMode.MATCH_OR_CREATE, Verb.CREATE), (PatientMode.CREATE, Verb.UPDATE)]
)
def test_a_patient_that_nobody_looked_for_may_be_there(mode: PatientMode, verb: Verb) -> None:
    assert planned(mapped(), policy=PatientPolicy(mode=mode))[0].verb is verb


def test_one_patient_of_others_under_two_numbers_is_written_once() -> None:
    foreign = {"fhir_id": "ehr", "is_ours": False, "names": ()}
    keys = {"b" * 64: "2020", KEY: "2024"}
    patients = {key: patient("", "", key=key, **foreign) for key in keys}
    studies = [mapped(number, key=key, basis=basis) for number, (key, basis) in enumerate(keys.items())]
    found = plan(*studies, patients=patients, policy=PatientPolicy(update="always"))
    due = [action for action in found.actions.values() if action.key.type == "Patient" and action.is_due]
    assert [(action.key, action.is_foreign) for action in due] == [(PATIENT, True)]
    assert [row.basis for row in found.patients.values()] == ["2024", "2020"]


def test_a_study_is_created_where_nothing_stands() -> None:
    action = plan(mapped(), hits={study_lookup("1.2.1"): ()}).actions[STUDY]
    assert (action.verb, action.fhir_id, action.version_id) == (Verb.CREATE, study_id(), None)
    assert (action.patient_key, action.patient_body) == (KEY, b"a")


@pytest.mark.parametrize("bearers", [None, (f"ImagingStudy/{study_id()}",)])
def test_a_study_that_may_stand_there_is_updated(bearers: tuple[str, ...] | None) -> None:
    assert plan(mapped(), hits={study_lookup("1.2.1"): bearers}).actions[STUDY].verb is Verb.UPDATE


@pytest.mark.parametrize(
    ("changes", "force", "endpoint_id", "verb"),
    [
        ({}, False, "e1", Verb.NOTHING),
        ({}, True, "e1", Verb.UPDATE),
        ({"fingerprint": "other"}, False, "e1", Verb.UPDATE),
        ({"mapping_generation": 0}, False, "e1", Verb.UPDATE),
        ({"references": "Endpoint/e1 Patient/other"}, False, "e1", Verb.UPDATE),
        ({}, False, "e2", Verb.UPDATE),
    ],
)
def test_what_is_confirmed_stays_and_what_differs_is_updated(
    changes: dict[str, Any], force: bool, endpoint_id: str, verb: Verb
) -> None:
    study = mapped(published=confirmed(mapped(), **changes), force=force)
    action = plan(study, endpoints={"main": endpoint_id}).actions[STUDY]
    assert (action.verb, action.version_id) == (verb, "3")


@pytest.mark.parametrize(("hits", "reference"), [(("S/1",), "S/1"), ((), None), (("S/1", "S/2"), None), (None, None)])
def test_a_reference_that_one_resource_bears_is_written(hits: tuple[str, ...] | None, reference: str | None) -> None:
    action = plan(mapped(lookups=(ORDER,)), hits={ORDER: hits}).actions[STUDY]
    (order,) = orjson.loads(action.body)["basedOn"]
    assert order.get("reference") == reference
    assert (action.fingerprint == "f1") == (reference is None)


def test_force_is_no_word_of_a_dead_process() -> None:
    assert plan(mapped(is_abandoned=True)).actions[STUDY].is_abandoned
    assert not plan(mapped(is_abandoned=True, force=True)).actions[STUDY].is_abandoned


def test_a_study_without_a_patient_of_its_own() -> None:
    found = plan(mapped(patient=None))
    assert (list(found.actions), found.patients) == ([STUDY], {})
    assert found.actions[STUDY].patient_key is None


def test_an_endpoint_is_written_if_it_is_new_or_changed() -> None:
    key = ResourceKey("Endpoint", "main")
    body = orjson.dumps({"resourceType": "Endpoint", "identifier": [{"system": "urn:x", "value": "1"}]})
    (new,) = plan_endpoint(key, body, None, put_strategy()).actions.values()
    assert (new.verb, new.version_id, new.identifier) == (Verb.UPDATE, None, Lookup("Endpoint", "urn:x", "1"))
    held = endpoint(fingerprint=new.fingerprint, version_id="2", is_shared=True)
    (same,) = plan_endpoint(key, body, held, put_strategy()).actions.values()
    assert (same.verb, same.fhir_id) == (Verb.NOTHING, "e1")
    (changed,) = plan_endpoint(key, body, endpoint(version_id="2", is_shared=True), put_strategy()).actions.values()
    assert (changed.verb, changed.version_id, changed.is_shared) == (Verb.UPDATE, "2", True)


def test_a_study_that_is_withdrawn_keeps_its_identifiers() -> None:
    written = {
        "resourceType": "ImagingStudy",
        "id": study_id(),
        "identifier": [{"value": "urn:oid:1.2.1"}],
        "status": "available",
        "subject": {"reference": "Patient/p"},
        "endpoint": [{"reference": "Endpoint/e1"}],
        "numberOfSeries": 1,
        "numberOfInstances": 2,
        "series": [{"uid": "1"}],
    }
    (action,) = plan_withdrawal(confirmed(mapped()), written).actions.values()
    assert (action.verb, action.key, action.fhir_id, action.version_id) == (Verb.WITHDRAW, STUDY, study_id(), "3")
    assert orjson.loads(action.body) == {
        "resourceType": "ImagingStudy",
        "identifier": [{"value": "urn:oid:1.2.1"}],
        "status": "entered-in-error",
        "subject": {"reference": "Patient/p"},
        "numberOfSeries": 0,
        "numberOfInstances": 0,
    }
    assert mapping.fingerprint(action.body) == action.fingerprint
