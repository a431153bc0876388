"""Signals that end a command: what is to happen then, for as long as it runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_signals(action: Callable[[], object], *numbers: signal.Signals) -> Iterator[None]:
    """Let these signals call `action`, in the main thread; what they did before comes back at the end.

    Args:
        action: is called between two lines of the command; it may raise.
        *numbers: such as `signal.SIGTERM`.
    """
    previous = [signal.signal(number, lambda *_: action()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


def leave() -> None:
    """End the command as an error does, so that nothing half-written is left.

    Raises:
        SystemExit: with the status of a command that SIGTERM has ended.
    """
    sys.exit(128 + signal.SIGTERM)
