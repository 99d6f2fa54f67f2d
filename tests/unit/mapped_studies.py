"""Mapped studies as a plan is made of, by hand."""

from typing import Any

from indexer.model import EndpointState, Lane, Lookup, Patient, StudyLocation, Task
from indexer.plan import MappedStudy
from indexer.strategies import imaging_study_id, patient_id

KEY = "a" * 64
TASK_OPTIONS = {"attempts", "force", "is_abandoned", "published"}


def patient(words: str, basis: str, *, key: str = KEY, **options: Any) -> Patient:
    """What a study says of its patient, whose demographics are `words`."""
    options = {"fhir_id": "", "names": (f"name-{words}",), **options}
    return Patient(patient_key=key, fingerprint=words, basis=basis, **options)


def known(stated: Patient, **options: Any) -> Patient:
    """That Patient once it is published."""
    return patient(
        stated.fingerprint, stated.basis, key=stated.patient_key, fhir_id=patient_id(stated.patient_key), **options
    )


def task(number: int = 1, **options: Any) -> Task:
    uid = f"1.2.{number}"
    options = {"attempts": 0, "force": False, **options}
    return Task(
        study_instance_uid=uid,
        generation=1,
        locations=(StudyLocation("main", "o", uid),),
        lane=Lane.LIVE,
        reason="changes",
        first_event_at=0.0,
        **options,
    )


def mapped(
    number: int = 1, *, key: str = KEY, basis: str = "20240101 0 1", words: str = "a", **options: Any
) -> MappedStudy:
    """A study of a patient whose demographics are `words`."""
    of_task = {name: options.pop(name) for name in TASK_OPTIONS & options.keys()}
    options = {"patient": patient(words, basis, key=key), "fingerprint": f"f{number}", "lookups": (), **options}
    options.setdefault("patient_lookup", Lookup("Patient", "urn:x", key))
    return MappedStudy(
        task=task(number, **of_task),
        source="main",
        body=b'{"resourceType":"ImagingStudy","basedOn":[{"type":"ServiceRequest","identifier":{"value":"A1"}}]}',
        mapping_generation=1,
        last_update=None,
        number_of_series=1,
        number_of_instances=2,
        patient_body=words.encode(),
        **options,
    )


def study_id(number: int = 1) -> str:
    return imaging_study_id(f"1.2.{number}")


def endpoint(**options: Any) -> EndpointState:
    return EndpointState(**{"source": "main", "fhir_id": "e1", "fingerprint": "f", **options})
