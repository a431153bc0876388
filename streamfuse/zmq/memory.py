"""Memory of received frames: kept for the next one, in place of being given back and asked for again."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from functools import cache
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_KEPT_BYTES: Final = 128 << 20
_LARGEST_BYTES: Final = 32 << 20  # larger ones glibc always maps afresh


@cache
def keep_freed_memory() -> None:
    """Let malloc keep up to 128 MB that are free, for this process; does nothing where malloc is not glibc's.

    ZeroMQ allocates a few megabytes for each frame. Given back to the system every time, each page of them costs a
    fault and is zeroed again: a third of a receiver's CPU time. The environment's MALLOC_* settings go first.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
