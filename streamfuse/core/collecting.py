"""When Python looks for garbage in a command: not while it imports, and not at its end."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Import within: what modules make stays, and looking through it again and again takes a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def leave_all_at_exit() -> None:
    """Do not look for garbage once more when the process ends (a quarter of a second): its memory goes anyway."""
    atexit.register(gc.freeze)
