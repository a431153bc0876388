"""What nobody saw: places where a bright reference is clipped and no dark neighbour shows what is there.

The clipped frame, darkened, is a lower bound only: a flat grey patch at a hand that moves. Its clipped channels are
filled from what could be there: colours of the dark neighbours that the bright exposure would have clipped, the nearer
the more, and above all those that have moved, that is, where the reference is not clipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfuse.core.frame import Map
from streamfuse.imaging.photometric import IntensityMapping

REDUCED = 4  # working pixels per pixel of the grid on which colours are spread
CLIPS = (
    0.9,
    0.98,
)  # least of R'G'B', in the brighter exposure's scale, between which all are taken to be clipped
APART = 0.15  # R'G'B' by which both neighbours differ where something has moved
STOOD = 0.05  # weight of a colour where the reference is clipped, too; 1 where it has moved away
REACHES = (1, 3, 9)  # pixels of the grid: colours are spread by about as many
FARTHER = 0.02  # weight of each reach against the one before
EDGE = 3  # pixels over which the edge of a white place is a mixture with it
MIN_SHARE = 0.02  # share of a pixel below which there is nothing to fill


def unknown(own: Map, trust: Map) -> Map:
    """Share of each pixel that nobody saw, (h, w): white in the reference, R'G'B' `own`, and not trusted."""
    around = cv2.dilate(white(own), np.ones((EDGE, EDGE), np.uint8))
    return cv2.blur(around, (3, 3)) * (1.0 - trust)


def white(rgb: Map) -> Map:
    """How far R'G'B' (h, w, 3), in the brighter exposure's scale, are clipped all three: 0..1, (h, w)."""
    low, high = CLIPS
    least = cv2.min(cv2.min(*cv2.split(rgb)[:2]), cv2.extractChannel(rgb, 2))
    return np.clip((least - np.float32(low)) * np.float32(1 / (high - low)), 0.0, 1.0)


def lacking(own: Map, share: Map, sides: Sequence[Map], curve: IntensityMapping) -> Map:
    """R'G'B' that a darkened reference lacks where nobody saw what is there.

    Args:
        own: R'G'B' of the bright reference, (h, w, 3) in [0, 1].
        share: see `unknown`.
        sides: R'G'B' of the dark neighbours in their own scale, seen from the reference, (r, c, 3) on a reduced grid.
        curve: between the two exposures.

    Returns:
        (h, w, 3) float32, 0 or more, to be added in the darker exposure's scale.
    """
    height, width = share.shape
    rows, columns = sides[0].shape[:2]
    moved = 1.0 - white(cv2.resize(own, (columns, rows), interpolation=cv2.INTER_AREA))
    if len(sides) == 2:
        apart = cv2.absdiff(sides[0], sides[1]).max(axis=2)
        moved = np.maximum(moved, np.minimum(apart * np.float32(1 / APART), 1.0))
    sums = np.zeros((rows, columns, 4), np.float32)
    for colours in sides:
        weight = white(curve.brighten_rgb(colours)) * (STOOD + (1 - STOOD) * moved)
        sums[..., :3] += colours * weight[..., None]
        sums[..., 3] += weight
    spread = np.zeros_like(sums)
    for number, reach in enumerate(REACHES):
        size = max(1, columns // reach), max(1, rows // reach)
        far = cv2.GaussianBlur(cv2.resize(sums, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0)
        far = cv2.resize(far, (columns, rows), interpolation=cv2.INTER_LINEAR)
        spread += far * np.float32(FARTHER**number)
    found = cv2.resize(
        spread[..., :3] / (spread[..., 3:] + np.float32(1e-9)),
        (width, height),
        interpolation=cv2.INTER_LINEAR,
    )
    return np.maximum(found - curve.darken_rgb(own), 0.0) * share[..., None]
