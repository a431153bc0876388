"""Encoders get no real-time priority."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Open an encoder within: no thread has real-time priority afterwards, unless this one had it before.

    SVT-AV1, where it may (as root, so in most containers), gives it to its threads and to the one that opens it, from
    which programs that are started inherit it. Together they leave no other program of the machine a CPU.
    """
    wanted = threading.get_native_id() in _real_time()
    try:
        yield
    finally:
        for thread in () if wanted else _real_time():
            with suppress(OSError):  # it has ended
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _real_time() -> set[int]:
    """Identifiers of the threads of this process that have real-time priority; none where the system does not tell."""
    found = set()
    with suppress(OSError, AttributeError):
        for thread in (int(entry.name) for entry in Path("/proc/self/task").iterdir()):
            with suppress(ProcessLookupError):
                if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                    found.add(thread)
    return found
