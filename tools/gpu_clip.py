"""The alternating clip that the GPU suite measures, made without any file or library of the video path."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Bracket, Exposure, Frame, Neighbours


def clip(width: int, height: int, count: int) -> list[Frame]:
    """A textured scene that moves by two pixels a frame, in turns under- and overexposed by 3 EV; 8 bit, 4:2:0."""
    rng = np.random.default_rng(0)
    rough = rng.random((max(8, height // 8), max(8, (width + 2 * count) // 8)), np.float32)
    scene = cv2.resize(rough, (width + 2 * count, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    scene += (rng.random(scene.shape, np.float32) - 0.5) * 0.02
    frames = []
    for index in range(count):
        ev = 3 * (index % 2)
        light = np.clip(scene[:, 2 * index : 2 * index + width], 0, 1) * np.float32(0.4 * 2 ** (ev / 2.2))
        luma = np.round(16 + 219 * np.minimum(light, 1)).astype(np.uint8)
        chroma = np.ascontiguousarray(luma[::2, ::2] // 8 + 112)
        info = ColorInfo(matrix=1, primaries=1, transfer=1)
        frames.append(
            Frame(
                (luma, chroma, chroma), 8, (1, 1), info, index, Fraction(1, 60), index, Exposure(1000 * 2**ev)
            )
        )
    return frames


def brackets(frames: list[Frame]) -> list[Bracket]:
    """One per frame, as the pairing makes them of alternating exposures."""

    def at(n: int) -> Frame | None:
        return frames[n] if 0 <= n < len(frames) else None

    return [
        Bracket(f, n % 2, 2, {1 - n % 2: Neighbours(at(n - 1), at(n + 1))}, Neighbours(at(n - 2), at(n + 2)))
        for n, f in enumerate(frames)
    ]
