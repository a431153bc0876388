"""What a command may settle, as its process is its own: when garbage is looked for, and what becomes of memory."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
_LARGEST_KEPT, _KEPT = 1 << 30, 1 << 28  # bytes of one array, bytes at the end of a heap


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


def keep_memory() -> None:
    """Keep the memory that one frame gave back for the next: asking the system for it anew takes 2 ms a frame of 1080p.

    Where the C library is not glibc it stays as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_TRIM_THRESHOLD, _KEPT)
