"""What a plan is made of: mapped studies, and what is known of the FHIR server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer.model import ResourceKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer.model import Lookup, Patient, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedStudy:
    """A study that was read and mapped, serialised.

    Attributes
    ----------
    source
        Name of the source that it was read from; the study refers to that one's Endpoint.
    body, fingerprint
        The ImagingStudy as mapped, in JSON, and its SHA-256.
    patient
        What the ledger would know of the Patient that we would make; None if the study refers to no such resource.
    patient_body, patient_lookup
        That Patient as mapped, and its identifier.
    lookups
        Logical references that are looked up before it is sent.
    """

    task: Task
    source: str
    body: bytes
    fingerprint: str
    mapping_generation: int
    last_update: str | None
    number_of_series: int
    number_of_instances: int
    patient: Patient | None
    patient_body: bytes
    patient_lookup: Lookup
    lookups: tuple[Lookup, ...] = ()

    @property
    def key(self) -> ResourceKey:
        return ResourceKey("ImagingStudy", self.task.study_instance_uid)

    @property
    def patient_key(self) -> str | None:
        return self.patient.patient_key if self.patient else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """What is known of the FHIR server.

    Attributes
    ----------
    patients
        Patients that it holds, by patient key.
    found
        References (``Type/id``) of what bears each identifier that was looked up; None if the server would not look for
        it.
    endpoints
        Ids of the Endpoints, by source.
    """

    patients: Mapping[str, Patient] = field(default_factory=dict)
    found: Mapping[Lookup, tuple[str, ...] | None] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)
