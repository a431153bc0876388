"""Ctrl-C and SIGTERM, held back until a step of training is whole."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any, Self

_HANDLED = (signal.SIGINT, signal.SIGTERM)
_DEFAULTS = (signal.default_int_handler, signal.SIG_DFL)


class Interrupt:
    """Within it the first signal sets `asked`, and the next one raises KeyboardInterrupt at once.

    A signal in the middle of a step would leave networks behind that are changed by half. Signals that are ignored or
    that someone else handles stay as they are, and so do all where this is not the main thread.
    """

    def __init__(self) -> None:
        self.asked = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _HANDLED:
                if signal.getsignal(number) in _DEFAULTS:
                    self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
