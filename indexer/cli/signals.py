"""Two signals: the first asks to stop, the second stops."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signal(stop: threading.Event) -> None:
    """Set `stop` at the first SIGTERM or SIGINT, and give the second one its default meaning back."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_DFL)
        stop.set()

    for one in _SIGNALS:
        signal.signal(one, ask)
