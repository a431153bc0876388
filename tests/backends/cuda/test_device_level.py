"""Levelling on the device against that of the CPU path, without a device."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from streamfuse.backends.cuda.align import DeviceBracket
from streamfuse.backends.cuda.level import DeviceLeveller
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import AlignedBracket, Bracket, Frame
from streamfuse.temporal.level import Leveller


@pytest.mark.parametrize("codes", [0.0, 0.4, 5.0])
def test_what_is_added_is_that_of_the_cpu_path(codes):
    rng, theirs, ours = np.random.default_rng(0), Leveller(), DeviceLeveller()
    scene, found = cv2.GaussianBlur(rng.random((90, 160), np.float32), (0, 0), 4), []
    for t in range(24):
        frame = Frame((np.zeros((4, 4), np.uint8),), 8, (0, 0), ColorInfo(), t, Fraction(1), t)
        bracket = Bracket(frame, t % 2, 2, {})
        picture = scene + np.float32((codes if t % 2 else -codes) / 255 + rng.normal(0, 0.1 / 255))
        flows = [
            None if t in missing else rng.normal(0, 0.2, (45, 80, 2)).astype(np.float32)
            for missing in ((0, 9), (3, 8))
        ]
        aligned = AlignedBracket(bracket, ((), ()), (0.0, 3.0), (None, None), flows[0], flows[1])
        there = [None if flow is None else torch.from_numpy(flow).permute(2, 0, 1) for flow in flows]
        device = DeviceBracket(bracket, None, torch.zeros(2, 90, 160), None, torch.zeros(()), *there)  # type: ignore[arg-type]
        more = ours(device, torch.from_numpy(picture))
        found.append(theirs(aligned, picture))
        assert (0.0 if more is None else float(more)) * 255 == pytest.approx(found[-1] * 255, abs=0.02)
    assert (max(map(abs, found)) > 0.3 / 255) == (codes > 0)
