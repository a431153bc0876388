"""Small clips with known motion and exposure, for the alignment tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame

FULL = ColorInfo(1, 1, 1, full_range=True)


def scene(width: int = 160, height: int = 96, seed: int = 0) -> npt.NDArray[np.float32]:
    """Smooth random texture in linear light, from 0.002 to 1."""
    noise = np.random.default_rng(seed).random((height, width), np.float32)
    fine, coarse = cv2.GaussianBlur(noise, (0, 0), 2.0), cv2.GaussianBlur(noise, (0, 0), 12.0)
    mixed = cv2.normalize(fine, None, 0, 1, cv2.NORM_MINMAX) * 0.5
    mixed += cv2.normalize(coarse, None, 0, 1, cv2.NORM_MINMAX) * 0.5
    return np.float32(0.002) * np.power(np.float32(500.0), mixed)


def shifted(linear: npt.NDArray[np.float32], dx: float) -> npt.NDArray[np.float32]:
    """The scene moved right by dx pixels."""
    move = np.array([[1, 0, dx], [0, 1, 0]], np.float32)
    size = (linear.shape[1], linear.shape[0])
    return cv2.warpAffine(linear, move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def exposed(linear: npt.NDArray[np.float32], ev: float, bits: int = 8) -> npt.NDArray[np.unsignedinteger]:
    """Full-range luma of an exposure."""
    white = (1 << bits) - 1
    luma = np.clip(linear * np.float32(2.0**ev), 0, 1) ** np.float32(1 / 2.2)
    dtype: type[np.unsignedinteger] = np.uint8 if bits == 8 else np.uint16
    return np.round(luma * white).astype(dtype)


def grey_frame(luma: npt.NDArray[np.unsignedinteger], index: int, bits: int = 8) -> Frame:
    return Frame((luma,), bits, (0, 0), FULL, index, Fraction(1, 30), index)


def alternating(ranks: Sequence[int], evs: Sequence[float], speed: float = 1.0) -> list[Frame]:
    """A moving scene with frame i in exposure evs[ranks[i]]."""
    base = scene()
    return [grey_frame(exposed(shifted(base, speed * i), evs[rank]), i) for i, rank in enumerate(ranks)]
