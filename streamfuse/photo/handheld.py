"""Hand-held brackets: bring every photograph to the geometry of the best exposed one, by the stages of `align`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from streamfuse.align.aligner import Aligner
from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.frame import Bracket, ColorInfo, Frame, Neighbours

Picture = npt.NDArray[Any]  # (H, W, 3) R'G'B' or (H, W) grey; uint8 or uint16

_COLOR = ColorInfo(matrix=1, primaries=1, transfer=1, full_range=True)
_USABLE = (0.08, 0.92)  # of full scale: neither lost in noise nor clipped


def align_pictures(pictures: Sequence[Picture], mode: Literal["global", "flow"]) -> list[Picture]:
    """Align N >= 2 pictures of one scene; where one disagrees with the reference, the reference takes its place.

    Args:
        pictures: of one shape and dtype, in any order.
        mode: "global" = one homography per picture (the camera moved), "flow" = dense motion (things moved too).

    Returns:
        As many pictures of the same shape and dtype, darkest first; the reference is unchanged but for rounding.
    """
    ordered = sorted(pictures, key=lambda picture: float(picture[::4, ::4].mean()))
    frames = [_frame(picture, index) for index, picture in enumerate(ordered)]
    rank = max(range(len(ordered)), key=lambda index: _usable_share(ordered[index]))
    missing = {n: Neighbours(frame, None) for n, frame in enumerate(frames) if n != rank}
    bracket = Bracket(frames[rank], rank, len(frames), missing)
    (aligned,) = Aligner("best", mode, ghost=True, rate="half").push(bracket)
    return [_picture(planes, frames[rank].bits) for planes in aligned.exposures]


def _usable_share(picture: Picture) -> float:
    top = float(np.iinfo(picture.dtype).max)
    sample = picture[::4, ::4]
    return float(np.mean((sample > _USABLE[0] * top) & (sample < _USABLE[1] * top)))


def _frame(picture: Picture, index: int) -> Frame:
    bits = 8 * picture.dtype.itemsize
    pixels = np.ascontiguousarray(picture)
    planes: tuple[Picture, ...] = (pixels,)
    if pixels.ndim == 3:
        planes = rgb_to_planes(pixels, bits=bits, subsampling=(0, 0), color=_COLOR)
    return Frame(planes, bits, (0, 0), _COLOR, index, Fraction(1, 25), index)


def _picture(planes: tuple[Picture, ...], bits: int) -> Picture:
    return planes[0] if len(planes) == 1 else planes_to_rgb(planes, bits, (0, 0), _COLOR)
