"""What a drain would do with a study now, without doing it: ``show --resource`` and dry runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer.model import Lane, Task
from indexer.plan import MappedStudy, WritePlan, plan_writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from indexer.model import Settlement, Study, StudyLocation
    from indexer.sync.drain.read import Reader
    from indexer.sync.drain.resolve import Resolver
    from indexer.sync.target_ids import TargetIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Reads, resolves and plans, and writes nothing."""

    reader: Reader
    resolver: Resolver
    ids: TargetIds
    clock: Callable[[], float]

    def preview(self, studies: Sequence[tuple[StudyLocation, ...]], *, force: bool) -> Iterator[WritePlan | Settlement]:
        """What would be written for each study, or how it would end without being sent.

        Parameters
        ----------
        studies
            The locations of each, at least one; those that the ledger knows are added, as a task has them all.
        force
            Whether it would be sent even if unchanged.
        """
        now = self.clock()
        ledger = self.resolver.ledger
        uids = [locations[0].study_instance_uid for locations in studies]
        published, known = ledger.published(uids), ledger.study_locations(uids)
        tasks = [
            Task(
                study_instance_uid=uid,
                generation=0,
                locations=tuple(dict.fromkeys((*locations, *known[uid]))),
                lane=Lane.LIVE,
                reason="preview",
                attempts=0,
                first_event_at=now,
                force=force,
                published=published.get(uid),
            )
            for uid, locations in zip(uids, studies, strict=True)
        ]
        ahead = self.reader.studies.read_ahead([task.locations for task in tasks])
        return (self._previewed(task, ahead, now) for task in tasks)

    def _previewed(self, task: Task, ahead: Mapping[StudyLocation, Study], now: float) -> WritePlan | Settlement:
        study = self.reader.read(task, ahead)
        if not isinstance(study, MappedStudy):
            return study
        resolved = self.resolver.resolve([study], now)
        if not resolved.studies:
            return resolved.settlements[0]
        endpoints = {source: fhir_id for source, fhir_id in self.ids.endpoints([study.source]).items() if fhir_id}
        state = replace(resolved.state, endpoints=endpoints)
        return plan_writes(resolved.studies, state, self.resolver.policy, self.resolver.strategy)
