"""Video containers, opened so that a killed run leaves a playable file and time stamps are kept exactly."""

from __future__ import annotations

import io
import math
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.container

CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
MOV = (".mp4", ".m4v", ".mov")
_MAX_TIMESCALE = 2**31 - 1


def open_container(path: Path, time_base: Fraction) -> av.container.OutputContainer:
    """Open a file of `CONTAINERS` for writing; `time_base` is that of the pictures to come.

    Raises:
        av.FFmpegError: it cannot be opened.
    """
    container = av.open(f"file:{path}", "w", format=_muxer(path), container_options=_options(path, time_base))
    container.flags |= cast(int, av.container.Flags.flush_packets.value)
    return container


def open_in_memory(memory: io.BytesIO, path: Path) -> av.container.OutputContainer:
    """Open a container like that of `path` in memory, to see what it takes."""
    options = _options(path, Fraction(1, 1000))
    return av.open(memory, "w", format=_muxer(path), container_options=options)


def _options(path: Path, time_base: Fraction) -> dict[str, str]:
    options = {"avoid_negative_ts": "disabled", "max_interleave_delta": "1000000"}
    if path.suffix.lower() in MOV:
        # The header waits for the first fragment: only then can an edit list tell the first time stamp.
        options |= {"movflags": "hybrid_fragmented+frag_keyframe+delay_moov", "use_editlist": "1"}
        options |= {"movie_timescale": str(_movie_timescale(time_base))}
    else:
        options |= {"cluster_time_limit": "1000", "fflags": "+bitexact"}  # no random numbers in the file
    return options


def _muxer(path: Path) -> str:
    names = {".mkv": "matroska", ".webm": "webm", ".mov": "mov"}
    return names.get(path.suffix.lower(), "mp4")


def _movie_timescale(time_base: Fraction) -> int:
    """Give a clock in which the first picture's time and usual audio rates are whole numbers."""
    ticks = time_base.denominator
    both = math.lcm(ticks, 48000)
    return both if both <= _MAX_TIMESCALE else min(max(ticks, 1000), _MAX_TIMESCALE)
