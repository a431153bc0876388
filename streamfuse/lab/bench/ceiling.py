"""What the machine can do at most: copying memory and multiplying matrices, on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_COPY_BYTES = 256 << 20  # far more than any cache
_MATRIX = 1024
_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Rates of one thread.

    Args:
        bytes_per_s: read and written together, of a copy in memory.
        operations_per_s: multiplications and additions in float32, of a matrix product.
    """

    bytes_per_s: float
    operations_per_s: float

    def least_seconds(self, moved: float, operations: float) -> float:
        """Time below which nothing that moves so many bytes and does so many operations can come."""
        return max(moved / self.bytes_per_s, operations / self.operations_per_s)


def measure_ceiling() -> Ceiling:
    """Give the best of a few tries, with torch on one thread."""
    import torch

    source = np.ones(_COPY_BYTES, np.uint8)
    target = np.empty_like(source)
    matrix = torch.rand(_MATRIX, _MATRIX)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        copy = _best(lambda: np.copyto(target, source))
        product = _best(lambda: matrix @ matrix)
    finally:
        torch.set_num_threads(threads)
    return Ceiling(2 * _COPY_BYTES / copy, 2 * _MATRIX**3 / product)


def _best(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(_REPEATS):
        began = time.thread_time()
        call()
        times.append(time.thread_time() - began)
    return min(times)
