"""What is seen through the window: sky, sun, mountains, a wood and a lake."""

from __future__ import annotations

import numpy as np

from streamfuse.synthetic.paint import Image, grid, mix, noise


def paint_outside(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Sky with clouds and sun, hazy mountains, a wood, and a lake that mirrors the sun."""
    x, y = grid(size)
    horizon = 0.53
    sun_x, sun_y = 0.545 * size[1] / size[0], 0.215
    distance = np.hypot(x - sun_x, y - sun_y)
    image = mix((0.10, 0.22, 0.52), (0.62, 0.56, 0.50), np.clip(y / horizon, 0, 1) ** 1.6)
    clouds = np.clip(noise(size, 3.2, 6, rng, 2.2) * 1.1 + 0.35 * np.sin(9 * y + 1) - 0.05, 0, 1) ** 0.7
    lit = 0.55 + 0.45 * np.exp(-3 * distance) + 0.12 * noise(size, 9, 4, rng, 1.6)
    image = mix(image, lit[..., None] * np.array((1.0, 0.93, 0.84)), clouds * 0.9)
    glow = 0.9 * np.exp(-distance * 16) + 0.14 * np.exp(-distance * 3.5)
    image += glow[..., None] * np.array((1.0, 0.80, 0.52), np.float32)
    image += (40.0 * np.exp(-((distance / 0.017) ** 4)))[..., None].astype(np.float32)
    ridges = (
        (0.42, 0.060, 2.5, (0.34, 0.38, 0.47)), (0.47, 0.045, 4.0, (0.17, 0.22, 0.29)),
        (0.505, 0.022, 7.0, (0.060, 0.095, 0.085)),
    )  # fmt: skip
    for level, rise, cells, color in ridges:
        line = noise((size[0], size[1]), cells, 5, rng)[0] * rise + level
        shade = 1 + 0.30 * noise(size, 22, 4, rng)
        edge = np.clip((y - line) * size[0], 0, 1) * (y < horizon)
        image = mix(image, shade[..., None] * np.array(color), edge)
    _paint_lake(image, horizon, (sun_x, distance), rng)
    trees = noise(size, 30, 4, rng, 0.35)[size[0] // 2] * 0.018 + 0.615 - 0.02 * np.cos(5 * x[0])
    leaves = 1 + 0.75 * noise(size, 60, 3, rng)
    image = mix(
        image,
        np.clip(leaves, 0.2, 2)[..., None] * np.array((0.030, 0.052, 0.016)),
        np.clip((y - trees) * size[0] / 2, 0, 1),
    )
    return np.ascontiguousarray(1.2 * image, np.float32)


def _paint_lake(image: Image, horizon: float, sun: tuple[float, float], rng: np.random.Generator) -> None:
    """Mirror what is above the horizon into the lake, with ripples and the sun's glitter, in place."""
    size = image.shape[0], image.shape[1]
    x, _ = grid(size)
    first = round(horizon * size[0])
    rows = np.arange(first, size[0])
    mirror = np.clip(2 * first - rows - 1, 0, size[0] - 1)
    ripple = noise(size, 70, 3, rng, 7.0)
    water = np.minimum(image[mirror], 1.0) * (0.62 + 0.22 * ripple[rows])[..., None]
    path = np.exp(-(((x[rows] - sun[0]) / 0.07) ** 2)) * np.clip(ripple[rows] - 0.15, 0, 1) * 3.0
    image[rows] = water * np.array((0.8, 0.92, 1.0)) + path[..., None] * np.array((1.0, 0.85, 0.6))
