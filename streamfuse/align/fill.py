"""What nobody saw: places where a bright reference is clipped and no dark neighbour shows what is there.

The clipped frame, darkened, is a lower bound only: a flat grey patch at a hand that moves. Its clipped channels are
filled from what could be there: colours of the dark neighbours that the bright exposure would have clipped, the nearer
the more, and above all those that have moved, that is, where the reference is not clipped. What is white is filled from
what would be white, and what is clipped in some channels only (a red ball) from what would be so, too.
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
)  # R'G'B', in the brighter exposure's scale, between which a channel is taken to be clipped
APART = 0.15  # R'G'B' by which both neighbours differ where something has moved
STOOD = 0.05  # weight of a colour where the reference is clipped, too; 1 where it has moved away
REACHES = (1, 3, 9)  # pixels of the grid: colours are spread by about as many
FARTHER = 0.02  # weight of each reach against the one before
EDGE = 3  # pixels over which the edge of a clipped place is a mixture with it
MIN_SHARE = 0.02  # share of a pixel below which there is nothing to fill
FAINT = 1 / 512  # share below which filling does not show


def unknown(own: Map, trust: Map) -> tuple[Map, Map]:
    """Shares of each pixel that nobody saw, (h, w): of `clipped`, both kinds of the reference, and not trusted."""
    white, tinted = clipped(own)
    some = cv2.dilate(white + tinted, np.ones((EDGE, EDGE), np.uint8))
    white = cv2.dilate(white, np.ones((EDGE, EDGE), np.uint8))
    unseen = 1.0 - trust
    return cv2.blur(white, (3, 3)) * unseen, cv2.blur(some - white, (3, 3)) * unseen


def clipped(rgb: Map) -> tuple[Map, Map]:
    """Tell how far R'G'B' (h, w, 3) of the brighter scale are clipped all three, and some only: 0..1, (h, w)."""
    channels = cv2.split(rgb)
    least, most = (pick(pick(*channels[:2]), channels[2]) for pick in (cv2.min, cv2.max))
    white = _clips(least)
    return white, _clips(most) - white


def _clips(values: Map) -> Map:
    """Tell how far values are clipped, 0..1."""
    low, high = CLIPS
    return np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0.0, 1.0)


def lacking(own: Map, shares: tuple[Map, Map], sides: Sequence[Map], curve: IntensityMapping) -> Map:
    """R'G'B' that a darkened reference lacks where nobody saw what is there.

    Args:
        own: R'G'B' of the bright reference, (h, w, 3) in [0, 1].
        shares: see `unknown`.
        sides: R'G'B' of the dark neighbours in their own scale, seen from the reference, (r, c, 3) on a reduced grid.
        curve: between the two exposures.

    Returns:
        (h, w, 3) float32, 0 or more, to be added in the darker exposure's scale.
    """
    rows, columns = sides[0].shape[:2]
    here = clipped(cv2.resize(own, (columns, rows), interpolation=cv2.INTER_AREA))
    there = [clipped(curve.brighten_rgb(colours)) for colours in sides]
    apart: Map = np.zeros((rows, columns), np.float32)
    if len(sides) == 2:
        apart = np.minimum(cv2.absdiff(sides[0], sides[1]).max(axis=2) * np.float32(1 / APART), 1.0)
    out = np.zeros_like(own)
    some = _around(shares)
    dark = curve.darken_rgb(own[some])
    for kind, share in enumerate(shares):
        if cv2.norm(share, cv2.NORM_INF) < MIN_SHARE:
            continue
        weight = STOOD + (1 - STOOD) * np.maximum(1.0 - here[kind], apart)
        found = _spread(sides, [one[kind] * weight for one in there])
        whole = cv2.resize(found, (own.shape[1], own.shape[0]), interpolation=cv2.INTER_LINEAR)
        out[some] += np.maximum(whole[some] - dark, 0.0) * share[some][..., None]
    out[some] *= cv2.dilate(_clips(own[some]), np.ones((EDGE, EDGE), np.uint8))
    return out


def _around(shares: tuple[Map, Map]) -> tuple[slice, slice]:
    """Give lines and columns of all that is filled, and of what lies beside it."""
    seen = (cv2.max(*shares) > FAINT).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(seen)
    return slice(max(y - EDGE, 0), y + height + EDGE), slice(max(x - EDGE, 0), x + width + EDGE)


def _spread(sides: Sequence[Map], weights: Sequence[Map]) -> Map:
    """Give the mean colour around each pixel, the nearer the more."""
    rows, columns = sides[0].shape[:2]
    sums = np.zeros((rows, columns, 4), np.float32)
    for colours, weight in zip(sides, weights, strict=True):
        sums[..., :3] += colours * weight[..., None]
        sums[..., 3] += weight
    spread = np.zeros_like(sums)
    for number, reach in enumerate(REACHES):
        size = max(1, columns // reach), max(1, rows // reach)
        far = cv2.GaussianBlur(cv2.resize(sums, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0)
        far = cv2.resize(far, (columns, rows), interpolation=cv2.INTER_LINEAR)
        spread += far * np.float32(FARTHER**number)
    return np.asarray(spread[..., :3] / (spread[..., 3:] + np.float32(1e-9)), np.float32)
