"""A clock that is moved by hand, and what happens at the next calls of a fake."""

from collections import Counter, defaultdict, deque
from typing import Any


class Clock:
    """Epoch seconds that stand still until they are moved."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Script:
    """What happens at the next calls of a method: an error is raised, a callable is called, None lets a call pass."""

    def __init__(self) -> None:
        self._steps: dict[str, deque[Any]] = defaultdict(deque)
        self._always: dict[str, Any] = {}
        self.calls: Counter[str] = Counter()
        self.faults = 0

    def next(self, method: str, *steps: Any) -> None:
        """Add steps for the next calls, one each."""
        self._steps[method].extend(steps)

    def always(self, method: str, step: Any) -> None:
        """A step for every call that has none of its own; None heals."""
        self._always[method] = step

    def play(self, method: str) -> None:
        """Carry out the step of a call."""
        self.calls[method] += 1
        steps = self._steps[method]
        step = steps.popleft() if steps else self._always.get(method)
        if isinstance(step, Exception):
            self.faults += 1
            raise step
        if step is not None:
            step()
