"""What a source's feed of changes tells, whatever kind of source it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from indexer.model.study import StudyLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPosition:
    """How far a source's feed was read; a new one stands before the first change.

    Attributes
    ----------
    cursor
        The feed's own text, which nothing else reads.
    reached
        A number for people: how many changes, or the number of the last one.
    epoch
        The feed raises it when another database stands behind the source.
    """

    cursor: str = ""
    reached: int = 0
    epoch: int = 1

    @classmethod
    def parse(cls, text: str) -> FeedPosition:
        """Read what `text` wrote."""
        return cls(**orjson.loads(text))

    @property
    def text(self) -> str:
        """The position as JSON."""
        return orjson.dumps(asdict(self)).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Some changes that belong together.

    Attributes
    ----------
    position
        The position after them.
    locations
        The studies that changed.
    quiet
        Location ids of those that the source itself says to be quiet by now.
    age_s
        How long ago the last of these changes was, by the source's own clock.
    count
        How many changes were new.
    """

    position: FeedPosition
    locations: tuple[StudyLocation, ...] = ()
    quiet: frozenset[str] = frozenset()
    age_s: float = 0.0
    count: int = 0
