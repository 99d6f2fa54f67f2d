"""What a drain would do with a study now, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.model import Lane, Task
from indexer.sync.drain.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from indexer.model import Settlement, StudyLocation
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

    def preview(self, locations: tuple[StudyLocation, ...], *, force: bool) -> Prepared | Settlement:
        """The study as it would be sent, or how it would end without being sent.

        Parameters
        ----------
        locations
            Where the study stands, at least one place.
        force
            Whether it would be sent even if unchanged.

        Raises
        ------
        PeerError
            If a server does not answer as it should.
        """
        uid, now = locations[0].study_instance_uid, self.clock()
        task = Task(
            study_instance_uid=uid,
            generation=0,
            locations=locations,
            lane=Lane.LIVE,
            reason="foretold",
            attempts=0,
            first_event_at=now,
            force=force,
            published=self.reader.ledger.published([uid]).get(uid),
        )
        one = self.reader.prepare(task)
        if not isinstance(one, Prepared):
            return one
        resolved = self.resolver.resolve([one], now)
        return resolved.ready[0] if resolved.ready else resolved.settled[0]
