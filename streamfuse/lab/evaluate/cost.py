"""Time and memory of one fusion, each in a process of its own.

python -m streamfuse.lab.evaluate.cost METHOD WIDTH HEIGHT EXPOSURES
"""

from __future__ import annotations

import json
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamfuse.core.frame import Rgb

PLANES = " (4:2:0 planes)"  # after a fuser's name: as the video pipeline calls it, without R'G'B' around it
GUIDED = "guided fusion (like MEF-Net, random weights)"
RELEASED = "LCNDR as released (its layers, random weights)"
_REPEATS = 5
_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Cost:
    """What one fusion costs, on one thread.

    Args:
        method: its name.
        megapixels, exposures: of the input.
        cpu_s_per_mp: process CPU seconds per megapixel of one exposure, median of 5 after a first call.
        peak_mb: largest resident size of the process while it fuses, MB (1e6 bytes).
        working_mb: the part of it that was not there before the call (model and inputs loaded).
    """

    method: str
    megapixels: float
    exposures: int
    cpu_s_per_mp: float
    peak_mb: float
    working_mb: float


def measure_cost(method: str, width: int = 1920, height: int = 1080, exposures: int = 2) -> Cost | None:
    """Cost of a fuser or baseline by name on a synthetic scene; None where it does not run here."""
    found = in_own_process("streamfuse.lab.evaluate.cost", method, str(width), str(height), str(exposures))
    return None if found is None else Cost(**found)


def in_own_process(module: str, *arguments: str) -> dict[str, Any] | None:
    """Give what a module prints as JSON when it is run; None where it fails or takes too long."""
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (subprocess.SubprocessError, OSError):
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def synthetic_exposures(width: int, height: int, count: int, seed: int = 0) -> list[Rgb]:
    """N pictures (H, W, 3) of a made-up scene with shapes and texture, darkest first, 4 EV apart in all."""
    rng = np.random.default_rng(seed)
    shapes = cv2.resize(
        rng.random((9, 16, 3), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    texture = cv2.GaussianBlur(rng.standard_normal((height, width, 1), dtype=np.float32), (0, 0), 1.2)
    light = 2.0 ** (5 * np.clip(shapes, 0, 1) - 4 + 0.4 * texture.reshape(height, width, 1))
    stops = np.linspace(-3, 1, count)
    return [np.rint(255 * np.clip(light * 2.0**s, 0, 1) ** (1 / 2.2)).astype(np.uint8) for s in stops]


def _call(method: str, pictures: Sequence[Rgb]) -> Callable[[], object]:
    """Give the fusion of these pictures, ready to run."""
    from streamfuse.lab.evaluate.baseline_stills import still_baselines

    baselines = still_baselines()
    if method in baselines:
        return lambda: baselines[method](pictures)
    if method in (GUIDED, RELEASED):
        from streamfuse.lab.evaluate.baseline_networks import guided_fusion, released_lcndr

        network = guided_fusion if method == GUIDED else released_lcndr
        return lambda: network(pictures)
    if not method.endswith(PLANES):
        from streamfuse.photo.still_fusion import Fuser

        picture_fuser = Fuser(fuser=method, device="cpu")
        return lambda: picture_fuser(pictures)
    from streamfuse.core.color import rgb_to_planes
    from streamfuse.core.color_info import ColorInfo
    from streamfuse.fusion.fuser import create_fuser
    from streamfuse.fusion.stage import fuse_planes

    fuser, color = create_fuser(method.removesuffix(PLANES), device="cpu"), ColorInfo(1, 1, 1, False)
    planes = [rgb_to_planes(p, bits=8, subsampling=(1, 1), color=color) for p in pictures]
    return lambda: fuse_planes(fuser, planes, 8, color)


def _cpu_s() -> float:
    """CPU seconds of this process and of the programs that it ran (enfuse)."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def resident_mb(field: str) -> float:
    """Size of this process, MB (1e6 bytes): `VmRSS` = now, `VmHWM` = the largest."""
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(rf"{field}:\s+(\d+) kB", status.read_text())):
        return int(found[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _forget_peak() -> None:
    """Let the kernel count the peak from now on (Linux)."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")


def _measure(method: str, width: int, height: int, exposures: int) -> Cost:
    cv2.setNumThreads(1)
    if method.startswith("lcndr") or method in (GUIDED, RELEASED):
        import torch

        torch.set_num_threads(1)
    call = _call(method, synthetic_exposures(width, height, exposures))
    before = resident_mb("VmRSS")
    _forget_peak()
    call()
    peak = resident_mb("VmHWM")
    times = []
    for _ in range(_REPEATS):
        start = _cpu_s()
        call()
        times.append(_cpu_s() - start)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    megapixels = width * height / 1e6
    peak, working = (children, children) if children > peak else (peak, peak - before)
    return Cost(
        method,
        megapixels,
        exposures,
        statistics.median(times) / megapixels,
        round(peak, 1),
        round(working, 1),
    )


if __name__ == "__main__":
    _method, *_numbers = sys.argv[1:]
    _width, _height, _count = map(int, _numbers)
    print(json.dumps(asdict(_measure(_method, _width, _height, _count))))
