"""What was made is as grainy, where the network looks at it, as what was taken.

An exposure that is made of frames before and after is warped and averaged, and has lost most of the noise of the
sensor. The network takes noise for detail: the dark exposure of a frame that was taken bright then weighs less than
that of a frame that was taken dark, and the fused picture is brighter in every other frame, by half a code value in the
mid-tones at 5 EV. So it is shown made exposures with the noise that they lack. No pixel of what is fused gets any.

How strong noise is at each brightness is told by the finest differences of a picture, in their median over the flatter
half of its pixels, since some brightness may be found on edges alone: of what was made, and of a frame beside it that
was taken in the same exposure.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import cv2
import numpy as np

from streamfuse.core.frame import Bracket, Frame, Map

STEPS = 16  # of brightness
MIN_COUNT = 30  # pixels of one brightness from which its noise is told
EVERY = 4  # lines and columns of which one is looked at
MAX_NOISE = 12 / 255  # standard deviation: what is more is texture
MEDIAN = 0.6745  # of the magnitude of normal noise of standard deviation 1
FINEST = (1.0, -2.0, 1.0)  # across and down: blind to what is even or rises evenly
FINEST_GAIN = 6.0  # by which it raises the standard deviation of noise
TILE = 512  # pixels after which the pattern repeats
ROOM = 64  # pixels by which it is larger than a picture, so that each instant has another part of it


def grained(made: Map, taken: Map, index: int) -> Map:
    """A made picture with the noise that it lacks.

    Args:
        made, taken: luma (h, w) float32 in [0, 1] at the network's scale; the second of a frame of the same exposure.
        index: of the frame whose instant this is; each has noise of its own.
    """
    steps, noise = _measured(made)
    lacking = lack(noise, _measured(taken)[1])
    if not lacking.any():
        return made
    rows, columns = made.shape
    down, across = place(index)
    pattern = grain(rows, columns)[down : down + rows, across : across + columns]
    return np.clip(made + np.sqrt(lacking).take(steps) * pattern, 0, 1, dtype=np.float32)


def alike(bracket: Bracket) -> Mapping[int, Frame]:
    """Give a frame that was taken in each exposure that is made of such frames, by rank."""
    if bracket.simultaneous:
        return {}
    either = {rank: pair.before or pair.after for rank, pair in bracket.missing.items()}
    return {rank: frame for rank, frame in either.items() if frame is not None}


def place(index: int) -> tuple[int, int]:
    """Line and column of the pattern at which the noise of a frame begins."""
    return index * 37 % ROOM, index * 23 % ROOM


@lru_cache(maxsize=4)
def grain(rows: int, columns: int) -> Map:
    """Normal noise of standard deviation 1, (rows + ROOM, columns + ROOM); larger ones begin as smaller ones do."""
    tile = np.random.default_rng(0).standard_normal((TILE, TILE), np.float32)
    rows, columns = rows + ROOM, columns + ROOM
    return np.tile(tile, (-(-rows // TILE), -(-columns // TILE)))[:rows, :columns]


def lack(made: Map, taken: Map) -> Map:
    """Variance (STEPS,) that the noise of a made picture lacks; none where either is not known (NaN)."""
    more = np.nan_to_num(taken - made)
    return np.asarray(np.clip(more, 0, MAX_NOISE**2), np.float32)


def _measured(picture: Map) -> tuple[np.ndarray, Map]:
    """Brightness of each pixel in steps, (h, w), and the variance of noise at each, (STEPS,); NaN where unknown."""
    mean = cv2.blur(picture, (3, 3), borderType=cv2.BORDER_REPLICATE)
    steps = np.minimum((mean * STEPS).astype(np.uint8), STEPS - 1)
    kernel = np.array(FINEST, np.float32)
    finest = cv2.sepFilter2D(
        picture, -1, kernel, kernel / np.float32(FINEST_GAIN), borderType=cv2.BORDER_REPLICATE
    )
    some = slice(2, -2, EVERY)
    slope = np.abs(mean[some, 4::EVERY] - mean[some, :-4:EVERY])
    slope += np.abs(mean[4::EVERY, some] - mean[:-4:EVERY, some])
    if not slope.size:
        return steps, np.full(STEPS, np.nan, np.float32)
    flat = slope <= np.median(slope)
    which, size = steps[some, some][flat], np.abs(finest[some, some][flat])
    # The median at each brightness: the middle of each run of one sorted list.
    rising, counts = size[np.lexsort((size, which))], np.bincount(which, minlength=STEPS)
    ends = np.cumsum(counts)
    middle, upper = (
        rising.take(ends - counts + half, mode="clip") for half in ((counts - 1) // 2, counts // 2)
    )
    variance = ((middle + upper) * np.float32(0.5 / MEDIAN)) ** 2
    return steps, np.where(counts >= MIN_COUNT, variance, np.float32(np.nan))
