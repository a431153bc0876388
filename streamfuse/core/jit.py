"""Compiled loops over pixels: Numba, with the settings that all of them share.

A kernel is compiled the first time it sees its types (a second or so), kept on disk for later runs (`loop_cache`), and
releases the interpreter's lock while it runs. What makes a loop fast: one concept per loop, arrays that are passed as
slices and indexed from 0 (so that the compiler sees contiguous memory), float32 constants, few arrays at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numba
from numba.core.registry import CPUDispatcher

from streamfuse.core.loop_cache import LoopCache

Kernel = TypeVar("Kernel", bound=Callable[..., object])

_OPTIONS: dict[str, Any] = {
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
    return _kept(function, numba.njit(**_OPTIONS)(function), _OPTIONS)


def kernel_of_apart(function: Kernel) -> Kernel:
    """Compile as `kernel` does, for arrays none of which shares memory with one that is written to.

    Knowing that, the compiler takes several pixels at once through loops that look values up in tables, too.
    """
    compiled = numba.njit(**_OPTIONS)(function)
    compiled._compiler._customize_flags = _apart  # Numba has the flag, but no option for it
    return _kept(function, compiled, _OPTIONS | {"noalias": True})


def _apart(flags: Any) -> Any:
    flags.noalias = True
    return flags


def _kept(function: Kernel, compiled: CPUDispatcher, options: dict[str, Any]) -> Kernel:
    compiled._cache = LoopCache(function, options, _tell)
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
