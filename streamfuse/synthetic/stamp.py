"""A time stamp burnt into the picture: blocks of black and white that survive fusion and encoding.

Two rows of 16 blocks in the upper left corner, read line by line, the most significant bit first: 24 bits of
milliseconds on the clock `time.monotonic()`, modulo 2**24 (4.6 hours); 4 bits of the exposure's rank; 4 bits of check,
the exclusive or of the seven groups of 4 before them. White is 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range
from streamfuse.core.frame import Plane

MODULUS_MS = 1 << 24
_COLUMNS, _ROWS = 16, 2
_SMALLEST_BLOCK = 8
_CONTRAST = 0.25  # of black to white: a block that is nearer to the middle than this is unreadable


class Stamp(NamedTuple):
    """What a picture says of itself.

    Args:
        milliseconds: when it was taken, on `time.monotonic()`, modulo `MODULUS_MS`.
        rank: its exposure, 0 = darkest.
    """

    milliseconds: int
    rank: int


def block_size(width: int) -> int:
    """Side of a block in pixels for pictures of that width: even, 8 at least."""
    return max(_SMALLEST_BLOCK, width // 40 // 2 * 2)


def fits(width: int, height: int) -> bool:
    """Tell whether there is room for the blocks."""
    side = block_size(width)
    return width >= _COLUMNS * side and height >= _ROWS * side


def burn(
    planes: tuple[Plane, ...], stamp: Stamp, bits: int, subsampling: tuple[int, int], color: ColorInfo
) -> tuple[Plane, ...]:
    """Planes with the stamp in them; those given are not changed."""
    side = block_size(planes[0].shape[1])
    black, white = luma_range(bits, color.full_range)
    blocks = np.where(_bits(stamp), white, black).astype(planes[0].dtype)
    luma = planes[0].copy()
    luma[: _ROWS * side, : _COLUMNS * side] = blocks.repeat(side, axis=0).repeat(side, axis=1)
    neutral = chroma_range(bits, color.full_range)[0]
    rows, columns = _ROWS * side >> subsampling[1], _COLUMNS * side >> subsampling[0]
    others = [plane.copy() for plane in planes[1:]]
    for plane in others:
        plane[:rows, :columns] = neutral
    return (luma, *others)


def read(luma: Plane, bits: int, color: ColorInfo) -> Stamp | None:
    """Give the stamp of a picture; None if there is none, or none that can be read."""
    height, width = luma.shape
    if not fits(width, height):
        return None
    side, margin = block_size(width), block_size(width) // 4
    black, white = luma_range(bits, color.full_range)
    area = luma[: _ROWS * side, : _COLUMNS * side].reshape(_ROWS, side, _COLUMNS, side)
    levels = np.median(area[:, margin:-margin, :, margin:-margin], axis=(1, 3))
    share = (levels - black) / (white - black)
    if np.abs(share - 0.5).min() < _CONTRAST / 2:
        return None
    return _stamp(share > 0.5)


def milliseconds(moment: float) -> int:
    """Give a moment of `time.monotonic()` as a stamp tells it."""
    return round(moment * 1e3) % MODULUS_MS


def age_ms(stamp: Stamp, moment: float) -> int:
    """Milliseconds from the stamp to a moment of `time.monotonic()`."""
    return (milliseconds(moment) - stamp.milliseconds) % MODULUS_MS


def _bits(stamp: Stamp) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    value = stamp.milliseconds << 4 | stamp.rank
    value = value << 4 | _check(value)
    return np.array([value >> shift & 1 for shift in range(31, -1, -1)], np.bool_).reshape(_ROWS, _COLUMNS)


def _stamp(bits: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Stamp | None:
    value = int("".join("01"[int(bit)] for bit in bits.ravel()), 2)
    if _check(value >> 4) != value & 15:
        return None
    return Stamp(value >> 8, value >> 4 & 15)


def _check(value: int) -> int:
    check = 0
    while value:
        check ^= value & 15
        value >>= 4
    return check ^ 0b1010  # so that an all-black corner is no stamp
