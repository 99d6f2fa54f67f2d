"""How much one request to a server may carry, learnt from what it took. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from indexer.errors import AccessDenied, PeerError, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE: Final = 8
_MOST_PATIENCE: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many items a request may carry: identifiers of a search, entries of a Bundle.

    A gateway, or a server, may fail on larger requests without saying that their size is the reason. So what fails is
    tried with half as many. If that goes well at once, the size was the reason; if not, there is an outage, and the
    size is as before soon after it. Where an item fails alone in the end, it was that item, and nothing was learnt.

    Attributes
    ----------
    most
        As configured.
    limit
        For the next request.
    suspect
        Number that failed last, if half of it has not been tried yet.
    too_many
        Least number that failed because it was too many; None if none is known.
    patience
        Such requests as `streak` counts before `too_many` is tried again; doubles each time that this fails.
    streak
        Requests in a row that went well and carried at least half of the limit.
    """

    most: int
    limit: int
    suspect: int | None = None
    too_many: int | None = None
    patience: int = _PATIENCE
    streak: int = 0

    @classmethod
    def begin(cls, most: int, learnt: Mapping[str, Any] | None = None) -> Capacity:
        """What is known of the server, from `facts`, or nothing."""
        if learnt is None:
            return cls(most=most, limit=most)
        return cls(most=most, **{**learnt, "limit": min(learnt["limit"], most)})

    @property
    def facts(self) -> dict[str, Any]:
        """What is worth being remembered."""
        return {name: getattr(self, name) for name in ("limit", "too_many", "patience")}

    def failed(self, count: int) -> Capacity:
        """A request with so many items failed, perhaps because of their number."""
        if count > 1:
            return replace(self, limit=count // 2, suspect=count, streak=0)
        if self.limit > 1:
            return replace(self, suspect=None, streak=0)
        return Capacity(most=self.most, limit=1)

    def succeeded(self, count: int) -> Capacity:
        """A request with so many items went well."""
        if self.too_many is not None and count >= self.too_many:
            return replace(self, suspect=None, too_many=None, patience=_PATIENCE, streak=0)._larger()
        if self.suspect is not None and count < self.suspect <= 2 * count + 1:
            patience = min(2 * self.patience, _MOST_PATIENCE) if self.too_many is not None else self.patience
            return replace(self, too_many=self.suspect, suspect=None, patience=patience)
        if 2 * count < self.limit:
            return replace(self, suspect=None)
        return replace(self, suspect=None, streak=self.streak + 1)._larger()

    def _larger(self) -> Capacity:
        """Twice as much where nothing speaks against it, half the way to what failed, or that after a long time.

        Requests may stay below the limit: a Bundle leaves room for Patients that then need not be written. So after
        another long time even more than what failed is tried.
        """
        if self.too_many is None or self.too_many > self.most:
            return replace(self, limit=min(2 * self.limit, self.most))
        between = (self.limit + self.too_many) // 2
        if between > self.limit:
            return replace(self, limit=between)
        if self.streak < self.patience:
            return self
        further = self.too_many if self.limit < self.too_many else 2 * self.limit
        return replace(self, limit=min(further, self.most), streak=0)


@dataclass(slots=True)
class Capacities:
    """The capacities of one server by kind of request.

    Attributes
    ----------
    on_learnt
        Called when there is something to be remembered.
    """

    on_learnt: Callable[[], None] | None = None
    _by_kind: dict[str, Capacity] = field(default_factory=dict)
    _remembered: dict[str, dict[str, Any]] = field(default_factory=dict)

    def remember(self, facts: Mapping[str, dict[str, Any]]) -> None:
        """Begin with what `facts` told another time."""
        self._remembered = dict(facts)
        self._by_kind.clear()

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What is worth being remembered, by kind of request."""
        by_kind = self._by_kind.copy()  # another thread may add a kind
        return self._remembered | {kind: capacity.facts for kind, capacity in by_kind.items()}

    def limit(self, kind: str, most: int) -> int:
        """Most items for the next request of a kind."""
        return self._of(kind, most).limit

    def succeeded(self, kind: str, count: int, most: int) -> None:
        """A request of a kind with so many items went well."""
        self._put(kind, self._of(kind, most).succeeded(count))

    def failed(self, kind: str, count: int, most: int) -> None:
        """A request of a kind with so many items failed."""
        self._put(kind, self._of(kind, most).failed(count))

    def ask(
        self,
        kind: str,
        ask: Callable[[Sequence[T]], Sequence[R]],
        items: Sequence[T],
        most: int,
        *,
        is_hasty: bool = False,
    ) -> Sequence[R]:
        """The answers for as many of the first items as one request may carry.

        Parameters
        ----------
        is_hasty
            Ask for less at once after any failure, because somebody waits; otherwise only after 413.

        Raises
        ------
        PeerError
            As `ask`; less is asked for next time.
        """
        while True:
            part = items[: self.limit(kind, most)]
            try:
                answers = ask(part)
            except PeerError as error:
                self.failed(kind, len(part), most)
                is_asked_again = isinstance(error, TooLarge) or (is_hasty and not isinstance(error, AccessDenied))
                if len(part) == 1 or not is_asked_again:
                    raise
            else:
                self.succeeded(kind, len(part), most)
                return answers

    def _of(self, kind: str, most: int) -> Capacity:
        if kind not in self._by_kind:
            self._by_kind[kind] = Capacity.begin(most, self._remembered.get(kind))
        return self._by_kind[kind]

    def _put(self, kind: str, capacity: Capacity) -> None:
        former, self._by_kind[kind] = self._by_kind[kind], capacity
        # While a suspicion is open, nothing is learnt.
        if capacity.suspect is None and former.too_many != capacity.too_many and self.on_learnt is not None:
            self.on_learnt()
