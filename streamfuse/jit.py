"""Compiled loops over pixels: Numba, with the settings that all of them share.

A kernel is compiled the first time it sees its types (a second or so), kept on disk for later runs, and releases the
interpreter's lock while it runs. What makes a loop fast: one concept per loop, arrays that are passed as slices and
indexed from 0 (so that the compiler sees contiguous memory), float32 constants, few arrays at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


_OPTIONS = {"nogil": True, "fastmath": True, "error_model": "numpy", "boundscheck": False}


def kernel(function: Kernel) -> Kernel:
    """Compile a function over NumPy arrays and numbers; no argument may be negative where it is used as an index."""
    try:
        compiled = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # there is no folder that can be written to: it is compiled in every run
        compiled = numba.njit(**_OPTIONS)(function)
    return cast(Kernel, compiled)
