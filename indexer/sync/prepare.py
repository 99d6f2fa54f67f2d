"""Read a taken study and map it: the reader's half of a drain."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from indexer import mapping, plan
from indexer.bundle import Entry
from indexer.errors import (
    AccessDenied,
    PeerError,
    StudyChanging,
    StudyError,
    StudyUnfit,
    StudyVanished,
    StudyWaits,
    Unavailable,
)
from indexer.log import Event, study_key
from indexer.model import Deferred, Dropped, Patient, Published, Quarantined, Settled
from indexer.sync.patients import StatedPatient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from indexer.mapping import Mapped, Rules
    from indexer.model import Copy, Lookup, Settlement, Study, Task
    from indexer.sync.patients import PatientPolicy
    from indexer.sync.protocols import AttributeSource, Ledger, StudySource

_log = logging.getLogger(__name__)

WAIT_S = (30.0, 6 * 3600.0)
"""First and longest delay before a study is tried again."""

AGAIN_S = 5.0
"""A study that changed under the reader's eyes is read again after this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """All that is needed to turn one source's studies into resources.

    Attributes
    ----------
    samples
        None where the read of single datasets is switched off.
    endpoint_id
        Id of the source's Endpoint.
    """

    source: StudySource
    samples: AttributeSource | None
    rules: Rules
    endpoint_id: str
    endpoint: Entry
    endpoint_resource: dict[str, Any]

    @property
    def endpoint_fingerprint(self) -> str:
        """Fingerprint of the Endpoint as it would be sent."""
        return mapping.fingerprint(self.endpoint.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A study that was read and mapped.

    Attributes
    ----------
    entry
        The ImagingStudy; its body is what the fingerprint was taken of.
    patient
        What the study says of the Patient that it refers to; None if it refers to no such resource.
    lookups
        Logical references that are looked up before it is sent.
    is_changed
        Whether the ImagingStudy differs from what was last confirmed, or is sent by force.
    is_patient_due
        Whether the Patient had to be written when this was prepared; decided again when it is sent.
    """

    task: Task
    entry: Entry
    published: Published
    patient: StatedPatient | None
    lookups: tuple[Lookup, ...] = ()
    is_changed: bool = True
    is_patient_due: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Turns tasks into prepared studies or, where there is nothing to send, into settlements.

    Attributes
    ----------
    channels
        By the name of the source; their order decides which copy of a study is read.
    wait_s
        First and longest delay before a study is tried again, in seconds.
    """

    ledger: Ledger
    channels: Mapping[str, Channel]
    policy: PatientPolicy
    clock: Callable[[], float]
    wait_s: tuple[float, float] = WAIT_S
    site_key: bytes = field(repr=False)

    def prepare(self, task: Task) -> Prepared | Settlement:
        """Read and map one study.

        Raises
        ------
        PeerError
            If a server as a whole is out of reach; that is no failure of the study.
        """
        try:
            study, channel = self.read(task.copies)
            return self._prepared(task, channel, *self._mapped(study, channel), study)
        except StudyVanished:
            return Dropped(task=task)
        except StudyChanging as error:
            return Deferred(task=task, due_in_s=AGAIN_S, cause=error.cause)
        except StudyWaits as error:
            return Deferred(task=task, due_in_s=self._patience_s(task), cause=error.cause)
        except StudyError as error:
            return Quarantined(task=task, cause=error.cause, text=error.message, hint=error.hint)
        except PeerError as error:
            return self._failed(task, error)

    def read(self, copies: tuple[Copy, ...]) -> tuple[Study, Channel]:
        """The study from the first source that holds it, with its samples.

        Raises
        ------
        StudyVanished
            If no source holds it.
        StudyUnfit
            If one source holds it twice, under two patients.
        StudyWaits
            If it stands in a source only that is not configured now.
        """
        for name, channel in self.channels.items():
            here = [copy for copy in copies if copy.source == name]
            if len(here) > 1:
                here = [copy for copy in here if channel.source.holds(copy.orthanc_id)]
            if len(here) > 1:
                raise StudyUnfit(
                    "one source holds this study under two patients",
                    cause="identity_conflict",
                    hint="Merge or delete the wrong copy in the archive, then replay.",
                )
            if here:
                try:
                    return self._sampled(channel, channel.source.read(here[0])), channel
                except StudyVanished:
                    continue
        if any(copy.source not in self.channels for copy in copies):
            raise StudyWaits(
                "the source of this study is not configured",
                cause="source_not_configured",
                hint="Put the source back under its former name; its studies are known by it.",
            )
        raise StudyVanished("no source holds this study", cause="vanished")

    @staticmethod
    def _sampled(channel: Channel, study: Study) -> Study:
        if channel.samples is None:
            return study
        return replace(study, series=channel.samples.sample(study), is_sampled=True)

    def map(self, study: Study, channel: Channel) -> Mapped:
        """Map a study so that it refers to the Patient that the ledger knows.

        Raises
        ------
        StudyWaits, StudyUnfit
            As `mapping.map_study`.
        """
        mapped, _ = self._mapped(study, channel)
        return mapped

    def _mapped(self, study: Study, channel: Channel) -> tuple[Mapped, Patient | None]:
        mapped = mapping.map_study(study, channel.rules, endpoint_ids=(channel.endpoint_id,))
        known = self.ledger.patients([mapped.patient_key]).get(mapped.patient_key) if mapped.has_patient else None
        if known is None or known.is_ours:
            return mapped, known
        return replace(mapped, imaging_study=mapping.referring(mapped.imaging_study, _reference(known))), known

    def _prepared(
        self, task: Task, channel: Channel, mapped: Mapped, known: Patient | None, study: Study
    ) -> Prepared | Settlement:
        problems = [
            *mapping.check(mapped.imaging_study, channel.rules.release),
            *mapping.check(mapped.patient, channel.rules.release),
        ]
        if problems:
            raise StudyUnfit("; ".join(problems[:5]), cause="invalid_resource")
        one = _untold(task, mapped, study)
        if one.lookups or (one.patient is not None and known is None):
            return one
        one = complete(one, known, {}, self.policy)
        return one if one.is_changed or one.is_patient_due else Settled(task=task, published=None)

    def _failed(self, task: Task, error: PeerError) -> Deferred | Quarantined:
        """A server failed on this study; whose fault it is shows in whether the server still answers others."""
        if isinstance(error, AccessDenied) or _is_outage(error):
            raise error
        self._ping(task, error)
        if task.attempts + 1 >= plan.ATTEMPTS:
            return Quarantined(
                task=task,
                cause="source_error",
                text=f"the source failed on this study {plan.ATTEMPTS} times: {error.message}",
                hint="Look at the source's own log for this study (a file may be missing), then replay.",
            )
        facts = {"event": Event.STUDY_WAITS, "study_key": study_key(self.site_key, task.study_instance_uid)}
        _log.warning("the source failed on a study; it is tried again", extra={**facts, "status": error.status})
        return Deferred(task=task, due_in_s=self._backoff_s(task), cause="source_error", counts=True)

    def _ping(self, task: Task, error: PeerError) -> None:
        for source in {copy.source for copy in task.copies} & self.channels.keys():
            try:
                self.channels[source].source.ping()
            except PeerError:
                raise error from None

    def _patience_s(self, task: Task) -> float:
        first_s, most_s = self.wait_s
        return plan.patience_s(self.clock() - task.first_event_at, first_s=first_s, most_s=most_s)

    def _backoff_s(self, task: Task) -> float:
        first_s, most_s = self.wait_s
        return plan.backoff_s(task.attempts, first_s=first_s, most_s=most_s, chance=random.random())  # noqa: S311


def _is_outage(error: PeerError) -> bool:
    """Nobody answered at all, or a proxy did in the server's stead."""
    return isinstance(error, Unavailable) and error.status in (None, 429, 502, 503, 504)


def resource_entry(resource: dict[str, object], study_instance_uid: str | None, patient_key: str | None) -> Entry:
    """A resource as an entry of a Bundle, serialised once."""
    return Entry(
        resource_type=str(resource["resourceType"]),
        fhir_id=str(resource["id"]),
        body=orjson.dumps(resource),
        study_instance_uid=study_instance_uid,
        patient_key=patient_key,
    )


def complete(
    one: Prepared, patient: Patient | None, references: Mapping[Lookup, str], policy: PatientPolicy
) -> Prepared:
    """The study with the references that only the FHIR server knows, and whether it has to be sent.

    Parameters
    ----------
    patient
        The Patient that the server holds, None if it holds none.
    references
        Literal references by what was looked up.
    """
    body = _referring(one.entry.body, patient, references)
    published = replace(one.published, fingerprint=mapping.fingerprint(body))
    return replace(
        one,
        entry=replace(one.entry, body=body),
        published=published,
        is_changed=one.task.force or not _is_confirmed(one.task.published, published),
        is_patient_due=one.patient is not None and policy.is_due(patient, one.patient.row),
    )


def _referring(body: bytes, patient: Patient | None, references: Mapping[Lookup, str]) -> bytes:
    is_foreign = patient is not None and not patient.is_ours
    if not (is_foreign or references):
        return body
    resource: dict[str, Any] = mapping.resolved(orjson.loads(body), references)
    if patient is not None:
        resource = mapping.referring(resource, _reference(patient))
    return orjson.dumps(resource)


def _reference(patient: Patient) -> str:
    return f"Patient/{patient.fhir_id}"


def _untold(task: Task, mapped: Mapped, study: Study) -> Prepared:
    """The study as it is before anything was asked of the FHIR server."""
    key = mapped.patient_key if mapped.has_patient else None
    patient = resource_entry(mapped.patient, None, key)
    entry = resource_entry(mapped.imaging_study, task.study_instance_uid, key)
    return Prepared(
        task=task,
        entry=replace(entry, patient_body=patient.body),
        published=Published(
            study_instance_uid=task.study_instance_uid,
            fhir_id=entry.fhir_id,
            version_id=None,
            fingerprint="",
            mapping_generation=mapping.MAPPING_GENERATION,
            last_update=study.last_update,
            number_of_series=len(study.series),
            number_of_instances=study.number_of_instances,
            patient_key=key,
        ),
        patient=_stated(mapped, patient) if mapped.has_patient else None,
        lookups=mapped.lookups,
    )


def _stated(mapped: Mapped, entry: Entry) -> StatedPatient:
    row = Patient(
        patient_key=mapped.patient_key,
        fhir_id=entry.fhir_id,
        fingerprint=mapping.fingerprint(entry.body),
        basis=mapped.basis,
        names=(mapped.name_digest,) if mapped.name_digest else (),
    )
    return StatedPatient(row=row, entry=entry, lookup=mapped.patient_lookup)


def _is_confirmed(known: Published | None, seen: Published) -> bool:
    return (
        known is not None
        and known.fingerprint == seen.fingerprint
        and known.mapping_generation == seen.mapping_generation
    )
