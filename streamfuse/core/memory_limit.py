"""The memory that a process may have: too little is said before libraries crash for want of it."""

from __future__ import annotations

import os
import resource

from streamfuse.errors import DeviceError

BASE_BYTES = 2_300_000_000
"""Address space of a run with tiny pictures, measured: torch, OpenCV, FFmpeg and their threads map two gigabytes."""

BYTES_PER_PIXEL = 300
"""What each pixel of a frame adds to that, measured at 1920x1080."""

BYTES_PER_THREAD, BYTES_PER_PIXEL_OF_THREAD = 240_000_000, 60
"""What each further bracket that is worked on at once takes at most, three threads and their heaps among it."""

_SHARE = 0.25  # of the machine's memory, for what is worked on at once


def check_memory_limit(width: int = 0, height: int = 0) -> None:
    """Refuse to begin where a limit on the address space (`ulimit -v`) is below what a run maps.

    Near such a limit a library that cannot start a thread ends the process, and nothing can be said any more.

    Args:
        width, height: of the frames, in pixels; 0 where they are not known.

    Raises:
        DeviceError: the limit is too low.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = BASE_BYTES + width * height * BYTES_PER_PIXEL
    if limit != resource.RLIM_INFINITY and limit < needed:
        size = f" for frames of {width}x{height}" if width else ""
        raise DeviceError(
            f"The limit on memory, {limit / 1e9:.1f} GB of addresses (ulimit -v {limit // 1024}), is too low{size}: "
            f"raise it to {needed / 1e9:.1f} GB (ulimit -v {-(-needed // 1024)})."
        )


def brackets_at_once(width: int, height: int) -> int:
    """Tell how many brackets may be worked on at once, 1 or more, so that memory lasts; sizes are in pixels."""
    pixels = width * height
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    many = whole * _SHARE / max(1, pixels * BYTES_PER_PIXEL_OF_THREAD)
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        spare = limit - BASE_BYTES - pixels * BYTES_PER_PIXEL
        many = min(many, 1 + spare / (BYTES_PER_THREAD + pixels * BYTES_PER_PIXEL_OF_THREAD))
    return max(1, int(many))
