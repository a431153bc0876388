"""Dense motion between two pictures: inverse search of patches, then variational refinement, from coarse to fine.

The method of `cv2.DISOpticalFlow` (Kroeger et al., ECCV 2016), as loops that take eight pixels at a time.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from streamfuse.align.patch_rows import FRAME, PATCH, STRIDE, densify, search
from streamfuse.align.refine_rows import constrain, look_along, refine
from streamfuse.core.frame import Map

MIN_SIDE = 2 * PATCH  # pixels: with less there is no motion to be found


def dense_flow(source: Map, target: Map, refinements: int, descents: int) -> Map:
    """Give the flow field (h, w, 2) of one picture towards another one of matched exposure.

    Args:
        source, target: (h, w) float32 luma in code values of 8 bit; both sides are `MIN_SIDE` at least.
        refinements: rounds of variational refinement at each scale.
        descents: steps of the search for each patch.
    """
    levels = [(source, target)]
    for _ in range(_halvings(*source.shape)):
        height, width = levels[-1][0].shape
        one, other = (
            cv2.resize(side, (width // 2, height // 2), interpolation=cv2.INTER_AREA) for side in levels[-1]
        )
        levels.append((np.asarray(one, np.float32), np.asarray(other, np.float32)))
    field = np.zeros((2, *levels[-1][0].shape), np.float32)
    for one, other in reversed(levels):
        height, width = one.shape
        if field.shape[1:] != one.shape:
            field = np.stack([cv2.resize(part, (width, height)) for part in field]) * np.float32(2)
        field = _at_scale(one, other, field, refinements, descents)
    return cv2.merge([field[0], field[1]])


def _halvings(height: int, width: int) -> int:
    """Tell how often pictures are halved: until a quarter of the long side is within a patch, and one fits."""
    wanted = math.floor(math.log2(max(height, width) / (4 * PATCH)) + 0.5)
    return max(0, min(wanted, math.floor(math.log2(min(height, width) / PATCH))))


def _at_scale(source: Map, target: Map, start: Map, refinements: int, descents: int) -> Map:
    height, width = source.shape
    framed = _framed(source), _framed(target)
    patches = np.empty((2, _count(height), _count(width)), np.float32)
    search(framed[0], _slope(framed[0], 1, 0), _slope(framed[0], 0, 1), framed[1], start, descents, patches)
    field = np.empty_like(start)
    densify(*framed, patches, field)
    if refinements:
        seen = np.empty_like(source)
        look_along(framed[1], field[0], field[1], seen)
        terms = np.empty((height, 2, 9, (width + 1) // 2), np.float32)
        constrain(source, seen, terms)
        refine(terms, field, refinements)
    return field


def _count(size: int) -> int:
    """Patches along an axis."""
    return -(-(size - PATCH) // STRIDE) + 1


def _framed(picture: Map) -> Map:
    framed = cv2.copyMakeBorder(picture, FRAME, FRAME, FRAME, FRAME, cv2.BORDER_REPLICATE)
    return np.asarray(framed, np.float32)


def _slope(picture: Map, across: int, down: int) -> Map:
    """By Sobel's mask: less noise passes; plain differences of two pixels were about 0.5 dB worse on one clip."""
    return np.asarray(cv2.Sobel(picture, -1, across, down, ksize=3, scale=0.125), np.float32)
