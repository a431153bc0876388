"""Brushes: soft-edged polygons, fractal noise, and coordinates, in linear radiance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]  # (H, W, C) linear radiance; four channels: premultiplied RGB and alpha
Values = npt.NDArray[np.floating]  # (H, W)
Color = tuple[float, float, float]
Point = tuple[float, float]

_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates


def noise(
    size: tuple[int, int], cells: float, octaves: int, rng: np.random.Generator, stretch: float = 1.0
) -> Values:
    """Fractal noise in about -1..1: at first `cells` bumps over the height, `stretch` times longer in x."""
    height, width = size
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        rows = max(2, round(cells * 2**octave))
        columns = max(2, round(cells * 2**octave * width / height / stretch))
        grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.55**octave)
    return total


def fill(image: Image, points: Sequence[Point], color: Sequence[float] | Values) -> None:
    """Paint a polygon with soft edges; points in pixels, color one RGB or a picture of the image's size."""
    corners = np.array(points)
    height, width = image.shape[:2]
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, [width, height])
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 2, 0, [width, height])
    if x0 >= x1 or y0 >= y1:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    fixed = np.round((corners - [x0, y0]) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SHIFT)
    share = mask[..., None].astype(np.float32) / 255
    paint = color[y0:y1, x0:x1] if isinstance(color, np.ndarray) else np.array(color, np.float32)
    area = image[y0:y1, x0:x1]
    area += (paint - area) * share


def box(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    """Corners of an upright rectangle."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def oval(
    x: float, y: float, rx: float, ry: float, *, begin: float = 0.0, end: float = 2 * math.pi
) -> list[Point]:
    """Points of an ellipse, or of its arc between two angles in radians."""
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in np.linspace(begin, end, 48)]


def grid(size: tuple[int, int]) -> tuple[Values, Values]:
    """x and y of every pixel in shares of the height, and of the height."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(height)
    return x, y


def mix(a: npt.ArrayLike, b: npt.ArrayLike, share: Values) -> Image:
    """Blend of two colours or pictures: `share` (H, W) of b, the rest a."""
    part = share[..., None]
    return (np.asarray(a, np.float32) * (1 - part) + np.asarray(b, np.float32) * part).astype(np.float32)
