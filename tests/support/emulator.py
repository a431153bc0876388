"""Kernels compiled by g++ and run on the CPU: proves their index arithmetic where there is no GPU."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from streamfuse.backends.cuda.launch import Argument, Grid, source

_HEADER = Path(__file__).with_name("emulation.h")


def compiler() -> str | None:
    return shutil.which("g++")


def kernel_names(file: str) -> list[str]:
    """Names of the kernels of a file, with those that its macro makes."""
    text = source(file)
    suffixes = re.findall(r"^FOR_TYPE\((\w+),", text, re.MULTILINE)
    names: list[str] = []
    for declared in re.findall(
        r'extern "C" __global__ void\s+(?:__launch_bounds__\([^)]*\)\s+)?([\w#]+)\(', text
    ):
        plain = declared.replace("##suffix", "")
        names += [plain + suffix for suffix in suffixes] if "##" in declared else [plain]
    return names


class Emulator:
    """A `Launcher` for CPU tensors.

    Args:
        folder: where the compiled kernels go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._libraries: dict[str, ctypes.CDLL] = {}
        self.launched: set[str] = set()

    def __call__(
        self, file: str, kernel: str, grid: Grid, block: Grid, arguments: Sequence[Argument]
    ) -> None:
        if file not in self._libraries:
            self._libraries[file] = self._compile(file)
        library = self._libraries[file]
        values = [_value(argument) for argument in arguments]
        sizes = (ctypes.c_int * 64)()
        count = getattr(library, f"sizes_{kernel}")(sizes)
        assert [ctypes.sizeof(v) for v in values] == list(sizes[:count]), (
            f"{kernel}: wrong kinds of arguments"
        )
        pointers = (ctypes.c_void_p * len(values))(
            *(ctypes.cast(ctypes.byref(v), ctypes.c_void_p) for v in values)
        )
        shapes = [(ctypes.c_uint * 3)(*shape) for shape in (grid, block)]
        status = getattr(library, f"run_{kernel}")(*shapes, pointers)
        assert status == 0, (
            f"{kernel}: " + {1: "not all threads reach a barrier", 2: "impossible launch"}[status]
        )
        self.launched.add(kernel)

    def _compile(self, file: str) -> ctypes.CDLL:
        library = self._folder / f"{file}.so"
        if library.exists():
            return ctypes.CDLL(str(library))
        text = self._folder / f"{file}.{os.getpid()}.cpp"
        exports = "\n".join(f"EXPORT({name})" for name in kernel_names(file))
        text.write_text(f'#include "{_HEADER}"\n{source(file)}\n{exports}\n')
        made = text.with_suffix(".so")
        # No FMA contraction and no reordering: the arithmetic as it is written.
        flags = ["-std=c++17", "-O2", "-shared", "-fPIC", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
        done = subprocess.run(
            [compiler() or "g++", *flags, "-o", made, text], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        made.replace(library)  # in one step: another worker may look for it
        return ctypes.CDLL(str(library))


def _value(argument: Argument) -> ctypes._SimpleCData[object]:
    if argument is None or isinstance(argument, Tensor):
        return _pointer(argument)
    return ctypes.c_int(argument) if isinstance(argument, int) else ctypes.c_float(argument)


def _pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    if tensor is None:
        return ctypes.c_void_p(0)
    assert tensor.is_contiguous(), "kernels take contiguous tensors"
    return ctypes.c_void_p(tensor.data_ptr())


def fenced(values: Tensor) -> Tensor:
    """A copy between two fences: what is read beyond it is NaN or the largest code, and so shows in the result."""
    fence = 4096
    poison = float("nan") if values.dtype.is_floating_point else torch.iinfo(values.dtype).max
    whole = torch.full((values.numel() + 2 * fence,), poison, dtype=values.dtype)
    inner = whole[fence : fence + values.numel()].view(values.shape)
    inner.copy_(values)
    return inner


def put(values: Tensor, device: torch.device) -> Tensor:
    """On the device; on the CPU between fences."""
    return fenced(values) if device.type == "cpu" else values.to(device)
