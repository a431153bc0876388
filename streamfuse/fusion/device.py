"""Which device the network runs on."""

from __future__ import annotations

import os
import re

import torch

from streamfuse.errors import DeviceError


def resolve_device(name: str = "auto") -> torch.device:
    """`auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:i`.

    Raises:
        DeviceError: a GPU was asked for and there is none, or not that many.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise DeviceError(f"There is no device {name!r}; use auto, cpu, cuda or cuda:0.")
    if name != "cpu":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(name.partition(":")[2] or 0) >= count:
            raise DeviceError(
                f"Device {name} was asked for and {count} CUDA devices were found; use --device cpu."
            )
    return torch.device(name)


def share_cpu(threads: int | None = None) -> None:
    """Leave half of the CPUs to decoding, alignment and encoding: torch's threads would spin against theirs.

    Measured on 2 CPUs with all stages busy: one thread is five times faster than two. OpenCV gets as many.

    Args:
        threads: for torch, and for OpenCV, 1 or more; None = half of the CPUs.
    """
    import cv2

    count = threads or max(1, (os.cpu_count() or 1) // 2)
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
