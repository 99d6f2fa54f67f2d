"""Read a taken study and map it: the reader's half of a drain."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from indexer import mapping, schedule
from indexer.errors import (
    StudyChanging,
    StudyError,
    StudyInvalid,
    StudyNotReady,
    StudyUnreadable,
    StudyVanished,
)
from indexer.log import Event, study_key
from indexer.model import Deferred, Dropped, Patient, Quarantined
from indexer.plan import MappedStudy
from indexer.sync.drain.study_reader import NOTHING, StudyReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from indexer.health import ServerHealth
    from indexer.mapping import Mapped, Rules
    from indexer.model import Settlement, Study, StudyLocation, Task
    from indexer.sync.protocols import AttributeSource, StudySource

_log = logging.getLogger(__name__)

WAIT_S = (30.0, 6 * 3600.0)
"""First and longest delay before a study is tried again."""

AGAIN_S = 5.0
"""A study that changed under the reader's eyes is read again after this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePipeline:
    """All that is needed to turn one source's studies into resources.

    Attributes
    ----------
    health
        The source's.
    samples
        None where the read of single datasets is switched off.
    samples_health
        That of the server that is asked for them.
    readers
        Threads that read it at a time.
    """

    source: StudySource
    health: ServerHealth
    samples: AttributeSource | None
    samples_health: ServerHealth
    readers: int
    rules: Rules

    @property
    def is_failing(self) -> bool:
        """Whether one of its servers failed when it was read last."""
        return self.health.is_failing("read") or self.samples_health.is_failing("read")

    @property
    def wait_s(self) -> float:
        """Seconds until it may be read again; 0.0 where it may be now."""
        return max(self.health.wait_s("read"), self.samples_health.wait_s("read"))

    @property
    def servers(self) -> tuple[str, str]:
        """Names of its servers, as errors bear them."""
        return self.health.server, self.samples_health.server


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Turns tasks into mapped studies or, where there is nothing to send, into settlements.

    Attributes
    ----------
    pipelines
        By the name of the source; their order decides which copy of a study is read.
    wait_s
        First and longest delay before a study is tried again, in seconds.
    tries
        Failures of a server after which the last is raised, for somebody waits for the answer; None asks once, and
        finds out whether the study is to blame.
    """

    pipelines: Mapping[str, SourcePipeline]
    clock: Callable[[], float]
    wait_s: tuple[float, float] = WAIT_S
    tries: int | None = None
    site_key: bytes = field(repr=False)

    @property
    def studies(self) -> StudyReader:
        """Who reads the studies."""
        return StudyReader(pipelines=self.pipelines, tries=self.tries)

    def read_ahead(self, tasks: Sequence[Task]) -> dict[StudyLocation, Study]:
        """As `StudyReader.read_ahead`, for the studies of these tasks."""
        return self.studies.read_ahead([task.locations for task in tasks])

    def read(self, task: Task, ahead: Mapping[StudyLocation, Study] = NOTHING) -> MappedStudy | Settlement:
        """Read and map one study.

        Parameters
        ----------
        ahead
            What of it was read already.

        Raises
        ------
        PeerError
            If a server as a whole is out of reach; that is no failure of the study.
        """
        try:
            study, pipeline = self.studies.read(task.locations, ahead)
            return _checked(task, study, mapping.map_study(study, pipeline.rules), pipeline.rules)
        except StudyVanished:
            return Dropped(task=task)
        except StudyChanging as error:
            return Deferred(task=task, due_in_s=AGAIN_S, cause=error.cause)
        except StudyNotReady as error:
            return Deferred(task=task, due_in_s=self._patience_s(task), cause=error.cause)
        except StudyUnreadable as error:
            return self._failed(task, error)
        except StudyError as error:
            return Quarantined(task=task, cause=error.cause, text=error.message, hint=error.hint)

    def _failed(self, task: Task, error: StudyUnreadable) -> Deferred | Quarantined:
        if task.attempts + 1 >= schedule.ATTEMPTS:
            return Quarantined(
                task=task,
                cause="source_error",
                text=f"the source failed on this study {schedule.ATTEMPTS} times: {error.message}",
                hint="Look at the source's own log for this study (a file may be missing), then replay.",
            )
        facts = {"event": Event.STUDY_WAITS, "study_key": study_key(self.site_key, task.study_instance_uid)}
        _log.warning("the source failed on a study; it is tried again", extra={**facts, "status": error.status})
        return Deferred(task=task, due_in_s=self._backoff_s(task), cause="source_error", counts=True)

    def _patience_s(self, task: Task) -> float:
        first_s, most_s = self.wait_s
        return schedule.patience_s(self.clock() - task.first_event_at, first_s=first_s, most_s=most_s)

    def _backoff_s(self, task: Task) -> float:
        first_s, most_s = self.wait_s
        return schedule.backoff_s(task.attempts, first_s=first_s, most_s=most_s, chance=random.random())  # noqa: S311


def _checked(task: Task, study: Study, mapped: Mapped, rules: Rules) -> MappedStudy:
    """The study ready to be planned, serialised once.

    Raises
    ------
    StudyInvalid
        If a resource is not as its release wants it.
    """
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
