"""Footage of cameras that code light logarithmically: luma and chroma are undone by the same scale."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from fused_frames import source_info

from streamfuse.capture.scene_light import SceneLight
from streamfuse.core.color import planes_to_rgb
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame
from streamfuse.core.protocols import SourceWrapper
from streamfuse.imaging.camera_logs import CURVES

# Patches that lie far apart in chroma, and the one that clips.
LIGHT = np.array([[0.5, 0.05, 0.05], [0.05, 0.5, 0.05], [0.05, 0.05, 0.5], [0.5, 0.4, 0.02], [5.0, 5.0, 5.0]])


class OneFrame(SourceWrapper):
    """A source of one frame."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.info = source_info(
            *frame.luma.shape[::-1], bits=frame.bits, color=frame.color, subsampling=(0, 0)
        )

    def __iter__(self) -> Iterator[Frame]:
        return iter([self._frame])


def filmed(name: str, full_range: bool, bits: int = 10) -> Frame:
    """The patches in code values as a camera writes them: Y'CbCr of BT.2020 by the equations of ITU-R BT.2020."""
    signals, curve = np.linspace(0, 1, 65536), CURVES[name]
    rgb = np.interp(np.repeat(LIGHT, 40, axis=0), curve.decode(signals), signals)
    if not curve.by_range:  # the formula tells the code value of R', G' or B', from 0 to 1023
        rgb = rgb if full_range else (1023 * rgb - 64) / 876
    red, green, blue = rgb.T
    luma = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    pair = (blue - luma) / 1.8814, (red - luma) / 1.4746
    unit = 1 << (bits - 8)
    scale = ((1 << bits) - 1, (1 << bits) - 1, 0) if full_range else (219 * unit, 224 * unit, 16 * unit)
    planes = [scale[2] + scale[0] * luma, *(128 * unit + scale[1] * one for one in pair)]
    size = np.zeros((40, 1))
    codes = tuple(np.ascontiguousarray(np.rint(plane + size)).astype(np.uint16) for plane in planes)
    return Frame(codes, bits, (0, 0), ColorInfo(9, 9, 1, full_range), 0, Fraction(1, 25), 0)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("name", ["slog3", "vlog", "clog3", "dlog", "flog2", "logc3", "logc4"])
def test_every_channel_of_a_saturated_colour_comes_back(name: str, full_range: bool) -> None:
    (frame,) = SceneLight(OneFrame(filmed(name, full_range)), CURVES[name])
    found = planes_to_rgb(frame.planes, 16, (0, 0), frame.color)[20, 20::40] / 65535
    light = found**2.2 * LIGHT[-1]
    # A code of chroma is 0.7 % of light, and a small channel is a difference of large ones.
    np.testing.assert_allclose(light, LIGHT, rtol=0.025)


@pytest.mark.parametrize("bits", [10, 12])
def test_the_depth_does_not_matter(bits: int) -> None:
    (frame,) = SceneLight(OneFrame(filmed("slog3", False, bits)), CURVES["slog3"])
    found = planes_to_rgb(frame.planes, 16, (0, 0), frame.color)[20, 20::40] / 65535
    np.testing.assert_allclose(found**2.2 * LIGHT[-1], LIGHT, rtol=0.025)
