"""Cameras that are no clean gamma: what the aligner makes of other transfer functions and white balances."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from align_clips import FULL, scene, shifted

from streamfuse.align import Aligner
from streamfuse.core.color import rgb_to_planes
from streamfuse.core.frame import AlignedBracket, ClassifiedFrame, Exposure, Frame, Map
from streamfuse.exposure import Pairer


def gamma(light: Map) -> Map:
    return light ** np.float32(1 / 2.2)


def srgb(light: Map) -> Map:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055)


def s_curve(light: Map) -> Map:
    y = srgb(light)
    return 0.5 * y + 0.5 * y * y * (3 - 2 * y)


def filmed(
    transfer: Callable[[Map], Map], gains: tuple[float, float, float], known: bool
) -> list[list[Frame]]:
    """Both exposures of five instants, 3 EV apart; the brighter one with other gains of R, G and B."""
    base = [scene(seed=seed) for seed in range(3)]
    clip = []
    for i in range(5):
        light = np.dstack([shifted(0.6 * base[0] + 0.4 * channel, 1.5 * i) for channel in base])
        both = []
        for rank in (0, 1):
            exposed = light * np.float32(8.0**rank) * (np.array(gains, np.float32) if rank else 1)
            codes = np.round(transfer(np.clip(exposed, 0, 1)) * 65535).astype(np.uint16)
            planes = tuple(rgb_to_planes(codes, bits=8, subsampling=(1, 1), color=FULL))
            told = Exposure(time_us=1000.0 * 8**rank) if known else None
            both.append(Frame(planes, 8, (1, 1), FULL, i, Fraction(1, 25), i, told))
        clip.append(both)
    return clip


def align(clip: list[list[Frame]]) -> list[AlignedBracket]:
    pairer, aligner = Pairer(), Aligner("balanced")
    brackets = [b for i, both in enumerate(clip) for b in pairer.push(ClassifiedFrame(both[i % 2], i % 2, 2))]
    return [item for bracket in [*brackets, *pairer.flush()] for item in aligner.push(bracket)]


@pytest.mark.parametrize(
    ("transfer", "gains", "known"),
    [
        (gamma, (1, 1, 1), False),
        (gamma, (1.2, 1, 0.85), False),
        (srgb, (1, 1, 1), False),
        (srgb, (1, 1, 1), True),
        (s_curve, (1, 1, 1), False),
    ],
)
def test_missing_exposures_look_as_the_camera_would_have_shown_them(
    transfer: Callable[[Map], Map], gains: tuple[float, float, float], known: bool
) -> None:
    clip = filmed(transfer, gains, known)
    for i, item in enumerate(align(clip)[1:-1], 1):
        missing = 1 - i % 2
        for plane, truth in zip(item.exposures[missing], clip[i][missing].planes, strict=True):
            difference = (plane.astype(np.float64) - truth)[8:-8, 16:-16]
            assert np.abs(difference).mean() < 1.6
        assert float(item.trust[missing].mean()) > 0.97
