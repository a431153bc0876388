"""The objects that move: (n, n, 4) premultiplied radiance and alpha."""

from __future__ import annotations

import math

import numpy as np

from streamfuse.synthetic.paint import Color, Image, box, fill, mix, oval


def _blank(size: int) -> tuple[Image, Image]:
    return np.zeros((size, size, 3), np.float32), np.zeros((size, size, 1), np.float32)


def _sprite(image: Image, alpha: Image) -> Image:
    return np.ascontiguousarray(np.concatenate([image * alpha, alpha], 2))


def balloon(size: int, colors: tuple[Color, Color]) -> Image:
    """Give a hot-air balloon in sunlight, in gores of two colours."""
    image, alpha = _blank(size)
    x, y = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    across = np.clip(x / np.maximum(np.sqrt(np.maximum(0.64 - (y + 0.3) ** 2, 1e-3)) * 0.85, 0.05), -1, 1)
    gore = (np.floor((np.arcsin(across) / math.pi + 0.5) * 8) % 2).astype(np.float32)
    light = (0.55 + 0.45 * np.clip(x - 0.3 * y + 0.2, -1, 1)).astype(np.float32)
    cloth = np.ascontiguousarray(mix(colors[0], colors[1], gore) * light[..., None])
    half = size / 2
    envelope = [
        *oval(half, 0.36 * size, 0.33 * size, 0.33 * size, begin=math.pi * 0.86, end=math.pi * 2.14),
        (0.56 * size, 0.80 * size),
        (0.44 * size, 0.80 * size),
    ]
    basket = box(0.45 * size, 0.88 * size, 0.55 * size, 0.97 * size)
    ropes = [box(u * size, 0.8 * size, (u + 0.012) * size, 0.9 * size) for u in (0.455, 0.53)]
    for paint, fabric, wicker in ((image, cloth, (0.07, 0.04, 0.02)), (alpha, (1.0,), (1.0,))):
        fill(paint, envelope, fabric)
        for shape in (basket, *ropes):
            fill(paint, shape, wicker)
    return _sprite(image, alpha)


def lantern(size: int) -> Image:
    """Give a green paper lantern on a cord, dark against the window and coloured against the wall."""
    image, alpha = _blank(size)
    x, y = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    ribs = 0.75 + 0.25 * np.cos(55 * y)
    light = (ribs * (0.35 + 0.65 * np.clip(0.7 + 2 * x, 0, 1))).astype(np.float32)
    paper = np.ascontiguousarray(light[..., None] * np.array((0.018, 0.105, 0.070), np.float32), np.float32)
    middle = size / 2
    for paint, cloth, brass in ((image, paper, (0.05, 0.035, 0.012)), (alpha, (1.0,), (1.0,))):
        fill(paint, box(middle - 0.006 * size, 0, middle + 0.006 * size, 0.68 * size), brass)
        fill(paint, oval(middle, 0.82 * size, 0.17 * size, 0.14 * size), cloth)
        for line in (0.665, 0.95):
            rim = box(middle - 0.05 * size, line * size, middle + 0.05 * size, (line + 0.02) * size)
            fill(paint, rim, brass)
    return _sprite(image, alpha)


def beach_ball(size: int) -> Image:
    """Give a ball in six colours."""
    image, alpha = _blank(size)
    half = size / 2
    colors = (
        (0.13, 0.012, 0.010),
        (0.12, 0.11, 0.10),
        (0.010, 0.030, 0.12),
        (0.13, 0.085, 0.008),
        (0.012, 0.075, 0.020),
        (0.12, 0.11, 0.10),
    )
    fill(alpha, oval(half, half, 0.47 * size, 0.47 * size), (1.0,))
    for k, color in enumerate(colors):
        begin = k * math.pi / 3
        fill(
            image,
            [(half, half), *oval(half, half, half, half, begin=begin, end=begin + math.pi / 3 + 0.02)],
            color,
        )
    fill(image, oval(half, half, 0.08 * size, 0.08 * size), (0.12, 0.11, 0.10))
    x, y = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    round_off = np.sqrt(np.clip(1 - (x**2 + y**2), 0.04, 1)).astype(np.float32)
    return _sprite(image * round_off[..., None], alpha)
