"""Films merged into light by the chain that a run has: one white balance, where it is proven that there are two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from align_clips import scene

from streamfuse.config import Config
from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame, Map
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through

Light = npt.NDArray[np.float32]
COLOR = ColorInfo(1, 1, 1, full_range=False)
SIZE = (96, 160)


def frame(light: Light, index: int, bits: int = 8) -> Frame:
    """Light (H, W, 3), of which 1 clips, with the noise of a sensor."""
    noise = np.random.default_rng(index).normal(0, 1e-3, light.shape)
    coded = np.clip(light + noise, 0, 1) ** (1 / 2.2)
    planes = rgb_to_planes(
        np.round(65535 * coded).astype(np.uint16), bits=bits, subsampling=(1, 1), color=COLOR
    )
    return Frame(planes, bits, (1, 1), COLOR, index, Fraction(1, 25), index)


def merged(film: Callable[[int], Light], evs: Sequence[float], count: int) -> list[Map]:
    """Radiance of each frame, 1 = white of the darkest exposure; frame i is taken at evs[i % N]."""
    frames = [frame(film(n) * np.float32(2.0 ** evs[n % len(evs)]), n) for n in range(count)]
    chain = build_chain(Config().with_overrides(preset="fast", hdr="linear", white=0.0))
    found = [one.radiance for one in through(chain.line, frames)]
    assert len(found) == count and all(one is not None for one in found)
    return [one for one in found if one is not None]


def test_exposures_of_different_white_balance_are_brought_to_one() -> None:
    base = scene(SIZE[1], SIZE[0])[..., None] * np.array([0.9, 0.8, 0.7], np.float32)
    other = np.array([2.0**0.5, 1.0, 2.0**-0.4], np.float32)  # of the brighter exposure
    found = merged(lambda n: base * (other if n % 2 else np.float32(1)), (0.0, 2.5), 12)
    for one in found[6:]:  # proven by then
        shown = one[(base.min(axis=2) > 0.01) & (base.max(axis=2) < 0.6)]
        wanted = base[(base.min(axis=2) > 0.01) & (base.max(axis=2) < 0.6)]
        for channel in (0, 2):
            colour = (shown[:, channel] / shown[:, 1]) / (wanted[:, channel] / wanted[:, 1])
            assert float(np.median(colour)) == pytest.approx(1, abs=0.04)


def test_what_is_no_more_than_measurement_is_left() -> None:
    base = scene(SIZE[1], SIZE[0])[..., None] * np.array([0.9, 0.8, 0.7], np.float32)
    other = np.array([2.0**0.04, 1.0, 1.0], np.float32)
    told = merged(lambda n: base * (other if n % 2 else np.float32(1)), (0.0, 2.5), 8)[-1]
    dark = base.max(axis=2) < 0.1
    shown = np.median(told[dark][:, 0] / told[dark][:, 1]) / (0.9 / 0.8)
    assert float(np.log2(shown)) == pytest.approx(0.04, abs=0.02)
