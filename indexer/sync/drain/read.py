"""Read a taken study and map it: the reader's half of a drain."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

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
from indexer.model import Deferred, Dropped, Quarantined, Settled
from indexer.sync.drain.prepared import complete, reference_to, untold
from indexer.sync.drain.study_reader import NOTHING, StudyReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from indexer.bundle import Entry
    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.mapping import Mapped, Rules
    from indexer.model import Patient, Settlement, Study, StudyLocation, Task
    from indexer.sync.drain.patients import PatientPolicy
    from indexer.sync.drain.prepared import Prepared
    from indexer.sync.protocols import AttributeSource, StudySource

_log = logging.getLogger(__name__)

T = TypeVar("T")

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
    samples, samples_health
        None where the read of single datasets is switched off; the health is that of the server that is asked.
    readers
        Threads that read it at a time.
    endpoint_id
        Id of the source's Endpoint.
    """

    source: StudySource
    health: ServerHealth
    samples: AttributeSource | None
    samples_health: ServerHealth
    readers: int
    rules: Rules
    endpoint_id: str
    endpoint: Entry
    endpoint_resource: dict[str, Any]

    @property
    def endpoint_fingerprint(self) -> str:
        """Fingerprint of the Endpoint as it would be sent."""
        return mapping.fingerprint(self.endpoint.body)

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
    """Turns tasks into prepared studies or, where there is nothing to send, into settlements.

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

    ledger: Ledger
    pipelines: Mapping[str, SourcePipeline]
    policy: PatientPolicy
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

    def prepare(self, task: Task, ahead: Mapping[StudyLocation, Study] = NOTHING) -> Prepared | Settlement:
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
            return self._prepared(task, *self.studies.read(task.locations, ahead))
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

    def map(self, study: Study, pipeline: SourcePipeline) -> Mapped:
        """Map a study so that it refers to the Patient that the ledger knows.

        Raises
        ------
        StudyNotReady, StudyInvalid
            As `mapping.map_study`.
        """
        mapped = _mapped(study, pipeline)
        known = self._known(mapped)
        if known is None or known.is_ours:
            return mapped
        return replace(mapped, imaging_study=mapping.referring(mapped.imaging_study, reference_to(known)))

    def _known(self, mapped: Mapped) -> Patient | None:
        return self.ledger.patients([mapped.patient_key]).get(mapped.patient_key) if mapped.has_patient else None

    def _prepared(self, task: Task, study: Study, pipeline: SourcePipeline) -> Prepared | Settlement:
        mapped = _mapped(study, pipeline)
        problems = [
            *mapping.check(mapped.imaging_study, pipeline.rules.release),
            *mapping.check(mapped.patient, pipeline.rules.release),
        ]
        if problems:
            raise StudyInvalid("; ".join(problems[:5]), cause="invalid_resource")
        one = untold(task, mapped, study)
        if task.published is None or one.lookups:
            return one
        known = self._known(mapped)
        if one.patient is not None and known is None:
            return one
        one = complete(one, known, {}, self.policy)
        return one if one.is_changed or one.is_patient_due else Settled(task=task, published=None)

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


def _mapped(study: Study, pipeline: SourcePipeline) -> Mapped:
    return mapping.map_study(study, pipeline.rules, endpoint_ids=(pipeline.endpoint_id,))
