"""What a plan is made from: mapped studies, and what is known about the FHIR server."""

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
        Name of the source that it was read from, to whose Endpoint it refers.
    body, fingerprint
        The ImagingStudy as mapped, in JSON, and its SHA-256.
    patient
        What the ledger would store about the Patient; None if the study does not refer to a Patient resource.
    patient_body, patient_lookup
        The Patient as mapped, and its identifier; None if it has none, so that nobody can search for it.
    lookups
        Logical references to look up before the study is sent.
    patient_mismatch
        Whether the Patient that it refers to seems to be another person.
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
    patient_lookup: Lookup | None
    lookups: tuple[Lookup, ...] = ()
    patient_mismatch: bool = False

    @property
    def key(self) -> ResourceKey:
        return ResourceKey("ImagingStudy", self.task.study_instance_uid)

    @property
    def is_confirmed(self) -> bool:
        """Whether the server confirmed this very resource, whatever its references lead to."""
        known = self.task.published
        stated = self.fingerprint, self.mapping_generation
        return known is not None and not self.task.force and stated == (known.fingerprint, known.mapping_generation)

    @property
    def patient_key(self) -> str | None:
        return self.patient.patient_key if self.patient else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """What is known about the FHIR server.

    Attributes
    ----------
    patients
        Patients that it holds, by patient key.
    moved
        Those of them that stand for others since the ledger recorded them.
    hits
        References (``Type/id``) to the resources with each identifier that was searched for; None if the server
        refused to search for it.
    endpoints
        Ids of the Endpoints, by source.
    """

    patients: Mapping[str, Patient] = field(default_factory=dict)
    moved: Mapping[str, Patient] = field(default_factory=dict)
    hits: Mapping[Lookup, tuple[str, ...] | None] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)
