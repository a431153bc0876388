"""Compiled loops over pixels: Numba, with the settings that all of them share.

A kernel is compiled the first time it sees its types (a second or so), kept on disk for later runs (`loop_cache`), and
releases the interpreter's lock while it runs. What makes a loop fast: one concept per loop, arrays that are passed as
slices and indexed from 0 (so that the compiler sees contiguous memory), float32 constants, few arrays at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar, cast

import numba
from numba.core.registry import CPUDispatcher

from streamfuse.core.loop_cache import LoopCache

Kernel = TypeVar("Kernel", bound=Callable[..., object])

_OPTIONS = {
    "nogil": True,
    "fastmath": True,
    "error_model": "numpy",
    "boundscheck": False,
    "no_cfunc_wrapper": True,
}
_kernels: list[CPUDispatcher] = []
_listeners: list[Callable[[], None]] = []


def kernel(function: Kernel) -> Kernel:
    """Compile a function over NumPy arrays and numbers; no argument may be negative where it is used as an index."""
    compiled = numba.njit(**_OPTIONS)(function)
    compiled._cache = LoopCache(function, _OPTIONS, _tell)
    _kernels.append(compiled)
    return cast(Kernel, compiled)


def kernels() -> Sequence[CPUDispatcher]:
    """Give all loops of the modules that were imported so far."""
    return tuple(_kernels)


@contextmanager
def when_compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Have `tell` called before each loop that is compiled meanwhile, in whatever thread needs it."""
    _listeners.append(tell)
    try:
        yield
    finally:
        _listeners.remove(tell)


def _tell() -> None:
    for tell in tuple(_listeners):
        tell()
