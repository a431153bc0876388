"""How many threads fusion takes: decided here for every way in."""

from __future__ import annotations

import os
import sys

import cv2

from streamfuse.core.arguments import described
from streamfuse.core.forking import is_forked
from streamfuse.errors import UsageError

_set_here: dict[str, tuple[int, int]] = {}
"""By library, what was set here last, and what somebody else had set before."""


def limit_threads(threads: int | None = None) -> int:
    """Leave half of the CPUs to decoding, alignment and encoding: torch's threads would spin against theirs.

    Measured on 2 CPUs with all stages busy: one thread is five times faster than two. The number holds for OpenCV in
    the whole process, and for torch in this thread and in those that use torch for the first time from now on.

    Args:
        threads: for torch, and for OpenCV, 1 or more. None: half of the CPUs that this process may use, or what was
            set already where that is less.

    Returns:
        The number. It is 1 in a process that was forked: the pools of its parent do not work there.

    Raises:
        UsageError: a number below 1.
    """
    if threads is not None and not (isinstance(threads, int) and threads >= 1):
        raise UsageError(f"threads is {described(threads)} and has to be a whole number, 1 or more.")
    half = max(1, cpus() // 2)
    cv2_before = _before("cv2", max(1, cv2.getNumThreads()))
    cv2_count = 1 if is_forked() else threads or min(half, cv2_before)
    cv2.setNumThreads(cv2_count)
    _set_here["cv2"] = cv2_count, cv2_before
    torch = sys.modules.get("torch")  # without a network it is not needed, and takes a second to import
    if torch is None:
        return 1 if is_forked() else threads or half
    torch_before = _before("torch", torch.get_num_threads())
    count = 1 if is_forked() else threads or min(half, torch_before)
    torch.set_num_threads(count)
    _set_here["torch"] = count, torch_before
    return count


def _before(library: str, now: int) -> int:
    """Give what somebody else has set: a number that a run was given is for that run, and not for those after it."""
    ours, before = _set_here.get(library, (now, now))
    return before if now == ours else now


def cpus() -> int:
    """That this process may use: a container or `taskset` may give it some of the machine's only."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
