"""The first signal asks to stop, the second ends the process at once."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signal(stop: threading.Event) -> None:
    """Set `stop` at the first SIGTERM or SIGINT, and restore the default action for the second."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in _SIGNALS:
        signal.signal(number, ask)
