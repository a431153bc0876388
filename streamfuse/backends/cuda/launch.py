"""Compiles the kernels and starts them on torch's tensors and stream.

A kernel's arguments are given as Python values in the order of its parameters: a tensor or None is a pointer, an int
is an `int`, a float is a `float`. The tensors must be contiguous; nothing is checked on the device.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

FILES = ("unpack", "warp", "blend", "finish", "flow")
ARCHITECTURES = (75, 80, 86, 89, 90)  # compute capabilities that the tests compile for
BLOCK = (32, 8, 1)  # threads of kernels that work pixel by pixel

Argument = Tensor | int | float | None
Grid = tuple[int, int, int]


class Launcher(Protocol):
    """Starts a kernel of one of `FILES`; does not wait for it."""

    def __call__(
        self, file: str, kernel: str, grid: Grid, block: Grid, arguments: Sequence[Argument]
    ) -> None:
        """Queue it."""


def source(file: str) -> str:
    """Give the text of a kernel file, complete: what all kernels share comes first."""
    folder = resources.files("streamfuse.backends.cuda")
    shared, own = ((folder / name).read_text(encoding="utf-8") for name in ("common.cuh", f"{file}.cu"))
    return f'#line 1 "common.cuh"\n{shared}\n#line 1 "{file}.cu"\n{own}'


def blocks(rows: int, columns: int, planes: int = 1, tile: tuple[int, int] = (BLOCK[1], BLOCK[0])) -> Grid:
    """Give a grid that covers (planes, rows, columns) by tiles of (rows, columns)."""
    return -(-columns // tile[1]), -(-rows // tile[0]), planes


def suffix(pixels: Tensor) -> str:
    """Of a kernel that is there for several types."""
    return {torch.uint8: "u8", torch.uint16: "u16", torch.float32: "f32"}[pixels.dtype]


class CupyLauncher:
    """Through CuPy, which compiles each file once (NVRTC) and keeps the result on disk.

    Args:
        device: a CUDA device of torch.
    """

    def __init__(self, device: torch.device) -> None:
        import cupy

        self._cupy = cupy
        self._device = device
        self._index = torch.cuda.current_device() if device.index is None else device.index
        self._functions: dict[str, Any] = {}
        self._modules: dict[str, Any] = {}

    def __call__(
        self, file: str, kernel: str, grid: Grid, block: Grid, arguments: Sequence[Argument]
    ) -> None:
        """Do as `Launcher`, on torch's current stream."""
        stream = torch.cuda.current_stream(self._device).cuda_stream
        with self._cupy.cuda.Device(self._index), self._cupy.cuda.ExternalStream(stream, self._index):
            self._function(file, kernel)(grid, block, tuple(_plain(a) for a in arguments))

    def _function(self, file: str, kernel: str) -> Any:
        found = self._functions.get(kernel)
        if found is None:
            if file not in self._modules:
                self._modules[file] = self._cupy.RawModule(code=source(file), options=("--std=c++14",))
            found = self._functions[kernel] = self._modules[file].get_function(kernel)
        return found


def _plain(argument: Argument) -> Any:
    if argument is None:
        return np.uint64(0)
    if isinstance(argument, Tensor):
        return np.uint64(argument.data_ptr())
    return np.int32(argument) if isinstance(argument, int) else np.float32(argument)


@functools.cache
def launcher_for(device: torch.device) -> Launcher | None:
    """Give what starts kernels on this device; None = use the torch references (no GPU, or CuPy does not work)."""
    return CupyLauncher(device) if device.type == "cuda" and cupy_problem() is None else None


def cupy_problem() -> str | None:
    """Why CuPy cannot be used here, in a few words; None if it can."""
    try:
        import cupy

        return None if cupy.cuda.is_available() else "no CUDA device"
    except ImportError as error:
        return "not installed" if error.name == "cupy" else f"does not load: {error}"
    except Exception as error:  # of the driver, whatever its class
        return f"does not work: {error}"
