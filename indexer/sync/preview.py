"""What a drain would do with a study now, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.model import Lane, Task
from indexer.sync.drain.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from indexer.model import Settlement, Study, StudyLocation
    from indexer.sync.drain.read import Reader
    from indexer.sync.drain.resolve import Resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Prepares and looks, and writes nothing.

    Attributes
    ----------
    clock
        Epoch seconds.
    """

    reader: Reader
    resolver: Resolver
    clock: Callable[[], float]

    def preview(self, studies: Sequence[tuple[StudyLocation, ...]], *, force: bool) -> Iterator[Prepared | Settlement]:
        """Each study as it would be sent, or how it would end without being sent; they are read at one go.

        Parameters
        ----------
        studies
            Where each stands, at least one place.
        force
            Whether it would be sent even if unchanged.

        Raises
        ------
        PeerError
            If a server does not answer as it should.
        """
        now = self.clock()
        by_uid = [(locations[0].study_instance_uid, locations) for locations in studies]
        published = self.reader.ledger.published([uid for uid, _ in by_uid])
        tasks = [
            Task(
                study_instance_uid=uid,
                generation=0,
                locations=locations,
                lane=Lane.LIVE,
                reason="foretold",
                attempts=0,
                first_event_at=now,
                force=force,
                published=published.get(uid),
            )
            for uid, locations in by_uid
        ]
        ahead = self.reader.read_ahead(tasks)
        return (self._previewed(task, ahead, now) for task in tasks)

    def _previewed(self, task: Task, ahead: Mapping[StudyLocation, Study], now: float) -> Prepared | Settlement:
        item = self.reader.prepare(task, ahead)
        if not isinstance(item, Prepared):
            return item
        resolved = self.resolver.resolve([item], now)
        return resolved.ready[0] if resolved.ready else resolved.settled[0]
