"""Pictures for tests: a random scene, its exposures, and the planes of them."""

from __future__ import annotations

import cv2
import numpy as np

from streamfuse.core.color import rgb_to_planes


def radiance(height, width, seed=0):
    """(H, W) float32 linear light with smooth shapes, texture and five stops of range."""
    rng = np.random.default_rng(seed)
    shapes = cv2.resize(rng.random((5, 6)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    texture = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 1.0)
    return (2.0 ** (5 * np.clip(shapes, 0, 1) - 4 + 0.3 * texture)).astype(np.float32)


def exposures(height, width, count=2, seed=0, gap_ev=3.0):
    """N luma pictures (H, W) float32 in [0, 1], darkest first."""
    light = radiance(height, width, seed)
    stops = np.linspace(-gap_ev, 0.5, count)
    return [np.clip(light * 2.0**s, 0, 1).astype(np.float32) ** np.float32(1 / 2.2) for s in stops]


def rgb_exposures(height, width, count=2, seed=0, dtype=np.uint8):
    """N coloured pictures (H, W, 3) over the whole range of `dtype`, darkest first."""
    rng = np.random.default_rng(seed + 1)
    tint = cv2.resize(rng.uniform(0.4, 1.0, (3, 4, 3)).astype(np.float32), (width, height))
    top = np.iinfo(dtype).max
    return [
        np.rint(np.clip(y[..., None] * tint, 0, 1) * top).astype(dtype)
        for y in exposures(height, width, count, seed)
    ]


def plane_exposures(height, width, count, bits, subsampling, color, seed=0):
    """N tuples (Y, Cb, Cr), darkest first."""
    pictures = rgb_exposures(height, width, count, seed, np.uint16)
    return [rgb_to_planes(p, bits=bits, subsampling=subsampling, color=color) for p in pictures]


def saturated(size, bits, color, seed=0):
    """Planes (Y, Cb, Cr), 4:4:4, of random colours in the gamut: most have channels that are full or missing."""
    rng = np.random.default_rng(seed)
    colours = rng.random((*size, 3))
    colours = np.where(rng.random(colours.shape) < 0.6, np.round(colours), colours)
    colours *= np.where(rng.random((*size, 1)) < 0.5, 1.0, rng.random((*size, 1)))
    return rgb_to_planes(
        np.rint(colours * 65535).astype(np.uint16), bits=bits, subsampling=(0, 0), color=color
    )
