"""What a drain would do with a study now, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.model import Lane, Task
from indexer.sync.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from indexer.model import Copy, Settlement
    from indexer.sync.lookup import Scout
    from indexer.sync.prepare import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreteller:
    """Prepares and looks, and writes nothing.

    Attributes
    ----------
    clock
        Epoch seconds.
    """

    reader: Reader
    scout: Scout
    clock: Callable[[], float]

    def foretell(self, copies: tuple[Copy, ...], *, force: bool) -> Prepared | Settlement:
        """The study as it would be sent, or how it would end without being sent.

        Parameters
        ----------
        copies
            Where the study stands, at least one place.
        force
            Whether it would be sent even if unchanged.

        Raises
        ------
        PeerError
            If a server does not answer as it should.
        """
        uid, now = copies[0].study_instance_uid, self.clock()
        task = Task(
            study_instance_uid=uid,
            generation=0,
            copies=copies,
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
        looked = self.scout.look([one], now)
        return looked.ready[0] if looked.ready else looked.settled[0]
