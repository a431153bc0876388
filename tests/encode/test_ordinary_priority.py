"""No encoder keeps other programs from a CPU."""

import os
from pathlib import Path

import numpy as np
import pytest
from fused_frames import clip, source_info

from streamfuse.core.color_info import ColorInfo
from streamfuse.encode.avif import write_avif
from streamfuse.encode.ordinary_priority import ordinary_priority
from streamfuse.encode.video_sink import VideoFileSink

PQ = ColorInfo(9, 9, 16, False)


def real_time():
    threads = [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
    return [thread for thread in threads if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR)]


def test_a_film_in_av1_is_written_at_ordinary_priority(tmp_path):
    info = source_info(64, 64)
    with VideoFileSink(tmp_path / "a.mkv", info, codec="av1") as sink:
        for frame in clip(info, 3):
            sink.write(frame)
            assert real_time() == []
    assert real_time() == []


def test_a_photograph_in_av1_is_written_at_ordinary_priority(tmp_path):
    luma, chroma = np.full((64, 64), 512, np.uint16), np.full((32, 32), 512, np.uint16)
    write_avif(tmp_path / "a.avif", (luma, chroma, chroma), PQ)
    assert real_time() == []


def test_a_priority_that_was_there_stays():
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pytest.skip("this user may not have real-time priority")
    try:
        with ordinary_priority():
            pass
        assert os.sched_getscheduler(0) == os.SCHED_RR
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
