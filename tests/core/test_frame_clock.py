"""Which clock a time of capture is on."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from streamfuse.core.frame import FusedFrame
from streamfuse.core.wall_clock import wall_clock


def test_capture_has_a_wall_clock_beside_the_one_that_never_jumps():
    frame = FusedFrame.from_rgb(np.zeros((8, 8, 3), np.uint8))
    assert frame.captured_unix is None
    taken = replace(frame, captured_at=time.monotonic() - 2.0)
    assert taken.captured_unix is not None
    assert abs(time.time() - 2.0 - taken.captured_unix) < 0.5
    assert wall_clock(None) is None
