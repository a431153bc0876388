"""Luma planes as float32 in [0, 1], and back."""

from __future__ import annotations

import cv2
import numpy as np

from streamfuse.core.color_info import ColorInfo, luma_range
from streamfuse.core.frame import Map, Plane


def normalise(plane: Plane, bits: int, color: ColorInfo) -> Map:
    """Code values to float32: black is 0, white is 1; foot- and headroom are clipped."""
    black, white = luma_range(bits, color.full_range)
    scale = 1.0 / (white - black)
    out = plane.astype(np.float32)
    cv2.multiply(out, (scale, 0, 0, 0), dst=out)
    if black:
        cv2.subtract(out, (black * scale, 0, 0, 0), dst=out)
        cv2.max(out, (0.0, 0, 0, 0), dst=out)
        cv2.min(out, (1.0, 0, 0, 0), dst=out)
    return out


def quantise(luma: Map, bits: int, color: ColorInfo) -> Plane:
    """float32 to code values: clipped to [0, 1] first, rounded to nearest, never wrapped."""
    black, white = luma_range(bits, color.full_range)
    values = np.clip(luma, 0.0, 1.0) * np.float32(white - black) + np.float32(black)
    return np.rint(values, out=values).astype(np.uint8 if bits == 8 else np.uint16)
