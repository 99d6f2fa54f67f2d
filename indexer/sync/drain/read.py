"""Read a taken study and map it."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from indexer import mapping, schedule
from indexer.errors import StudyChanging, StudyError, StudyInvalid, StudyNotReady, StudyUnreadable, StudyVanished
from indexer.log import Event, study_key
from indexer.model import Deferred, Dropped, Patient, Quarantined
from indexer.plan import MappedStudy
from indexer.sync.drain.study_reader import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from indexer.mapping import Mapped, Rules
    from indexer.model import Settlement, Study, StudyLocation, Task
    from indexer.sync.drain.study_reader import StudyReader

_log = logging.getLogger(__name__)

AGAIN_S = 5.0
"""A study that changed while it was read is read again after this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Turns a task into a mapped study or, where there is nothing to send, into a settlement."""

    studies: StudyReader
    clock: Callable[[], float]
    site_key: bytes = field(repr=False)

    def read(self, task: Task, ahead: Mapping[StudyLocation, Study] = NOTHING) -> MappedStudy | Settlement:
        """Read and map one study; `ahead` is what `StudyReader.read_ahead` returned.

        Raises
        ------
        PeerError
            If a server as a whole is out of reach: that is not the study's failure.
        """
        try:
            study, source = self.studies.read(task.locations, ahead)
            return _checked(task, study, mapping.map_study(study, source.rules), source.rules)
        except StudyVanished:
            return Dropped(task=task)
        except StudyChanging as error:
            return Deferred(task=task, due_in_s=AGAIN_S, cause=error.cause)
        except StudyNotReady as error:
            due_in_s = schedule.recheck_s(self.clock() - task.first_event_at)
            return Deferred(task=task, due_in_s=due_in_s, cause=error.cause)
        except StudyUnreadable as error:
            return self._failed(task, error)
        except StudyError as error:
            return Quarantined(task=task, cause=error.cause, text=error.message, hint=error.hint)

    def _failed(self, task: Task, error: StudyUnreadable) -> Deferred | Quarantined:
        if task.attempts + 1 >= schedule.ATTEMPTS:
            return Quarantined(
                task=task,
                cause=error.cause,
                text=f"the source failed on this study {schedule.ATTEMPTS} times: {error.message}",
                hint=error.hint,
            )
        facts = {"event": Event.STUDY_WAITS, "study_key": study_key(self.site_key, task.study_instance_uid)}
        _log.warning("the source failed on a study; it is tried again", extra={**facts, "status": error.status})
        due_in_s = schedule.backoff_s(task.attempts, random.random())  # noqa: S311 - jitter, not a secret
        return Deferred(task=task, due_in_s=due_in_s, cause=error.cause, counts=True)


def _checked(task: Task, study: Study, mapped: Mapped, rules: Rules) -> MappedStudy:
    """The study ready to be planned, serialised once; StudyInvalid if a resource breaks a rule of its FHIR release."""
    problems = [*mapping.check(mapped.imaging_study, rules.release), *mapping.check(mapped.patient, rules.release)]
    if problems:
        raise StudyInvalid("; ".join(problems[:5]), cause="invalid_resource")
    body, patient_body = orjson.dumps(mapped.imaging_study), orjson.dumps(mapped.patient)
    return MappedStudy(
        task=task,
        source=study.source,
        body=body,
        fingerprint=mapping.fingerprint(body),
        mapping_generation=mapping.MAPPING_GENERATION,
        last_update=study.last_update,
        number_of_series=len(study.series),
        number_of_instances=study.number_of_instances,
        patient=_stated(mapped, patient_body) if mapped.has_patient else None,
        patient_body=patient_body,
        patient_lookup=mapped.patient_lookup,
        lookups=mapped.lookups,
    )


def _stated(mapped: Mapped, body: bytes) -> Patient:
    return Patient(
        patient_key=mapped.patient_key,
        fhir_id="",
        fingerprint=mapping.fingerprint(body),
        basis=mapped.basis,
        names=(mapped.name_digest,) if mapped.name_digest else (),
    )
