"""One bad study never stops another."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from indexer.errors import IndexerError
from indexer.log import Event, study_key
from indexer.model import Quarantined, Task
from indexer.plan import MappedStudy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)

T = TypeVar("T")
Item = TypeVar("Item", Task, MappedStudy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Sends a study on which the program itself fails to quarantine."""

    site_key: bytes = field(repr=False)

    def each(self, work: Callable[[Sequence[Item]], list[T]], items: Sequence[Item]) -> list[T | Quarantined]:
        """Do the work; if the program fails on it, in halves, until the study that causes it is alone."""
        try:
            return [*work(items)]
        except IndexerError:
            raise  # of a server, the ledger or the configuration: not the study's fault
        except Exception as error:  # noqa: BLE001 - the per-item guard
            middle: int = len(items) // 2
            if not middle:
                return [self._quarantined(items[0], error)]
            return [*self.each(work, items[:middle]), *self.each(work, items[middle:])]

    def _quarantined(self, item: Task | MappedStudy, error: Exception) -> Quarantined:
        task = item.task if isinstance(item, MappedStudy) else item
        facts = {"event": Event.STUDY_FAILED, "study_key": study_key(self.site_key, task.study_instance_uid)}
        _log.error("the program failed on a study", extra=facts, exc_info=error)
        return Quarantined(
            task=task,
            cause="internal_error",
            text=f"the program failed on this study: {type(error).__name__}",
            hint="Please report this with the log; the study can be replayed after an upgrade.",
        )
