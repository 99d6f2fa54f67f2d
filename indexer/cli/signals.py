"""The first signal asks to stop, the second ends the process at once; so does time."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

END_S = 9.5
"""How long the process may still live, whatever it does, such as writing to a pipe that nobody reads."""


def stop_on_signal(stop: threading.Event) -> None:
    """Set `stop` at the first SIGTERM or SIGINT; the second one, which comes by itself, has its default action."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        stop.set()
        last = threading.Timer(END_S, os.kill, (os.getpid(), signal.SIGTERM))
        last.daemon = True
        last.start()

    for number in _SIGNALS:
        signal.signal(number, ask)
