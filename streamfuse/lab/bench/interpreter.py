"""How long a piece of work holds the interpreter, which all threads of a process share.

CPython keeps a pointer to the thread that holds the interpreter, and clears it whenever that thread lets go (for a
kernel, a codec, a wait). A loop that needs no interpreter looks at the pointer all the while.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamfuse.core.jit import kernel
from streamfuse.errors import UsageError

_WORDS = 4096  # of CPython's own state, in which the pointer is looked for
_PAUSE = 400  # steps of a small computation between two looks, a microsecond

Words = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Held:
    """What a piece of work took.

    Args:
        cpu_s: CPU seconds of its thread.
        held_s: seconds of them in which it held the interpreter.
        watch_s: CPU seconds that watching took, in a thread of its own.
    """

    cpu_s: float
    held_s: float
    watch_s: float


class InterpreterWatch:
    """Watches who holds the interpreter, from a thread of its own that takes a core.

    Raises:
        UsageError: this Python keeps the pointer elsewhere (it is found in CPython 3.11).
    """

    def __init__(self) -> None:
        words: Words = np.ctypeslib.as_array((ctypes.c_uint64 * _WORDS).from_address(_state()))
        here = _places(words)
        with_other: list[set[int]] = []
        other = threading.Thread(target=lambda: with_other.append(_places(words)))
        other.start()
        other.join()
        for place in sorted(here & with_other[0]):
            self._cell = words[place : place + 1]
            if self._share(lambda: time.sleep(0.05))[0] < 0.5 < self._share(_busy)[0]:
                return
        raise UsageError(
            "How long the interpreter is held cannot be measured with this Python: use CPython 3.11."
        )

    def measure(self, work: Callable[[], object]) -> Held:
        """Do the work in this thread, which has to be the only one that runs Python meanwhile."""
        began = time.thread_time()
        share, watched = self._share(work)
        cpu = time.thread_time() - began
        return Held(cpu, share * cpu, watched)

    def _share(self, work: Callable[[], object]) -> tuple[float, float]:
        """Share of the time in which the interpreter was held, and CPU seconds of the watching thread."""
        stop, counts = np.zeros(1, np.int64), np.zeros(2, np.int64)
        _watch(self._cell, np.ones(1, np.int64), counts)  # compiled before it counts
        seconds: list[float] = []

        def watch() -> None:
            began = time.thread_time()
            _watch(self._cell, stop, counts)
            seconds.append(time.thread_time() - began)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            work()
        finally:
            stop[0] = 1
            watcher.join()
        return float(counts[1] / max(counts[0], 1)), seconds[0]


@kernel
def _watch(cell: Words, stop: Counts, counts: Counts) -> np.uint64:
    """Count looks, and those that found a thread, until `stop`."""
    noise = np.uint64(1)
    while stop[0] == 0:
        for _ in range(_PAUSE):
            noise ^= noise << np.uint64(13)
            noise ^= noise >> np.uint64(7)
            noise ^= noise << np.uint64(17)
        counts[0] += 1
        if cell[0] != 0:
            counts[1] += 1
    return noise


def _state() -> int:
    return ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))


def _places(words: Words) -> set[int]:
    """Tell where CPython's state points at the thread that asks."""
    thread = ctypes.pythonapi.PyThreadState_Get
    thread.restype = ctypes.c_void_p
    me = thread()
    return {place for place, word in enumerate(words.tolist()) if word == me}  # NumPy would let go to compare


def _busy() -> None:
    end = time.perf_counter() + 0.05
    while time.perf_counter() < end:
        sum(range(100))
