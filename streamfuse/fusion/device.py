"""Which device the network runs on."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from streamfuse.errors import DeviceError, UsageError, shortened

if TYPE_CHECKING:
    import torch


def is_cpu(name: str | torch.device) -> bool:
    """Tell whether this is the CPU for certain, as far as can be told without importing torch, which takes a second."""
    if str(name) != "auto":
        return str(name) == "cpu"
    if "torch" in sys.modules:
        return resolve_device(name).type == "cpu"
    found = find_spec("torch")
    folders = [Path(folder) / "lib" for folder in found.submodule_search_locations or ()] if found else []
    return not any(
        file.match("*torch_cuda*") for folder in folders if folder.is_dir() for file in folder.iterdir()
    )


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """`auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:i`, or what torch has for it.

    Raises:
        UsageError: a name that is none.
        DeviceError: a GPU was asked for and there is none, or not that many, or the process that this one was forked
            from has used it.
    """
    import torch

    name = str(name)
    if name != "cpu" and torch.cuda._is_in_bad_fork():
        raise DeviceError(
            "CUDA cannot be used in a process that was forked after its first use: start it by "
            "multiprocessing.get_context('spawn'), or ask for device cpu."
        )
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d{1,4})?", name, re.ASCII):
        raise UsageError(f"There is no device {shortened(name)}; use auto, cpu, cuda or cuda:0.")
    if name != "cpu":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(name.partition(":")[2] or 0) >= count:
            raise DeviceError(
                f"Device {name} was asked for and {count} CUDA devices were found; use device cpu."
            )
    return torch.device(name)
