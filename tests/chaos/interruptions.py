"""What is killed, stopped and held up: the program, Orthanc and the FHIR server, each in its own process."""

import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from tests.site import Site

KINDS: Final[Mapping[str, int]] = {"killed": 6, "ended": 1, "held up": 2}
"""What happens to a process, and how often one in relation to the other."""

HELD_UP_S: Final = (0.5, 8.0)
GRACE_S: Final = 10.0
"""How long the program may take to end at SIGTERM."""


class Interruptible(Protocol):
    """A process that can be ended and started again."""

    @property
    def pid(self) -> int | None: ...

    def start(self) -> object: ...

    def kill(self) -> None: ...

    def stop(self) -> None: ...


class Daemon:
    """``dicom-fhir-indexer run`` as a user starts it, while the block lasts; its log is that of the site's daemon."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop in good order; at once if something else has failed already."""
        if kind is None:
            self.stop()
        elif self.is_running:
            self.kill()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """AssertionError with the end of its log if it has ended by itself."""
        code = self._process.poll() if self._process else None
        assert code is None, f"the program ended by itself, with {code}\n{self._site.log()[-3000:]}"

    def start(self) -> None:
        with (self._site.home / "daemon.out.err").open("ab") as log:
            self._process = subprocess.Popen(
                self._site.command("run"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
            )

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order; AssertionError if it does not end, or not well."""
        code = self._end(signal.SIGTERM)
        # A process that is asked to end before Python has set up its handlers dies of the signal.
        assert code in (0, -signal.SIGTERM), f"the program ended with {code}"

    def _end(self, number: signal.Signals) -> int:
        self.check()
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(GRACE_S)


def hold_up(process: Interruptible, wait: Callable[[], object]) -> None:
    """Stop a process with SIGSTOP for as long as `wait` takes."""
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    wait()
    os.kill(pid, signal.SIGCONT)


@dataclass
class Interruptions:
    """Interrupts one process at random until a stop is asked for, and lets it go on.

    Attributes
    ----------
    pause_s
        Mean time between two interruptions.
    done
        How often each of `KINDS` happened.
    """

    name: str
    process: Interruptible
    pause_s: float
    seed: str
    stop: threading.Event
    down_s: tuple[float, float] = (0.0, 2.0)
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} {self.name}")

    def work(self) -> None:
        """Interrupt, wait, and so on; in the end the process runs."""
        while not self.stop.wait(self._random.expovariate(1 / self.pause_s)):
            kind = self._random.choices([*KINDS], weights=[*KINDS.values()])[0]
            if kind == "held up":
                hold_up(self.process, lambda: self.stop.wait(self._random.uniform(*HELD_UP_S)))
            else:
                self.process.kill() if kind == "killed" else self.process.stop()
                self.stop.wait(self._random.uniform(*self.down_s))
                self.process.start()
            self.done[kind] += 1
