"""Hand-held brackets: bring every photograph to the geometry of the best exposed one, by the stages of `align`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import cv2
import numpy as np

from streamfuse.align.displacement import Displacement, measured
from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Bracket, Frame, Neighbours, Pixels
from streamfuse.core.values import AlignMode

_COLOR = ColorInfo(matrix=1, primaries=1, transfer=1, full_range=True)
_USABLE = (0.08, 0.92)  # of full scale: neither lost in noise nor clipped
_MOVED = 0.5  # pixels from which on a photograph is resampled


@dataclass(frozen=True, slots=True, eq=False)
class HandHeld:
    """What `align_moved` found and did.

    Args:
        pictures: as many as were given, darkest first; those that had not moved are the very same arrays.
        mode: "off" = nothing was resampled, "global" = by a homography each, "flow" = by dense motion as well.
        moved: how many were resampled.
        pixels: the largest displacement that was measured, mean over the area of a picture.
        unknown: places of those that show too little in common with the others to be measured; they are left as they
            are.
    """

    pictures: list[Pixels]
    mode: AlignMode
    moved: int
    pixels: float
    unknown: tuple[int, ...]


def align_pictures(pictures: Sequence[Pixels], mode: Literal["global", "flow"]) -> list[Pixels]:
    """Align N >= 2 pictures of one scene; where one disagrees with the reference, the reference takes its place.

    Args:
        pictures: of one shape and dtype, in any order.
        mode: "global" = one homography per picture (the camera moved), "flow" = dense motion (things moved too).

    Returns:
        As many pictures of the same shape and dtype, darkest first; the reference is unchanged but for rounding.
    """
    ordered = _by_brightness(pictures)
    rank = _best_exposed(ordered)
    return _aligned(ordered, rank, mode)


def align_moved(pictures: Sequence[Pixels]) -> HandHeld:
    """Align those of N >= 2 photographs that lie more than half a pixel off the best exposed one; no others.

    A homography brings them back; where things at different distance moved by different amounts, dense motion does the
    rest. Where a photograph still disagrees with the best exposed one, or has nothing to show, that takes its place.

    Args:
        pictures: of one shape and dtype, in any order.
    """
    ordered = _by_brightness(pictures)
    rank = _best_exposed(ordered)
    found = measured(ordered, rank)
    pixels = max(0.0 if one is None else one.pixels for one in found)
    unknown = tuple(place for place, one in enumerate(found) if one is None)
    moved = {place: one for place, one in enumerate(found) if one is not None and one.pixels > _MOVED}
    if not moved:
        return HandHeld(ordered, "off", 0, pixels, unknown)
    mode: AlignMode = "flow" if any(one.apart for one in moved.values()) else "global"
    places = sorted([*moved, rank])
    brought = [ordered[n] if n == rank else _brought_back(ordered[n], moved[n]) for n in places]
    aligned = _aligned(brought, places.index(rank), "flow" if mode == "flow" else "off")
    for place, picture in zip(places, aligned, strict=True):
        if place != rank:
            ordered[place] = picture
    return HandHeld(ordered, mode, len(moved), pixels, unknown)


def _brought_back(picture: Pixels, found: Displacement) -> Pixels:
    """Give a photograph in the geometry of the reference; beyond its border the nearest pixel is repeated."""
    size = picture.shape[1], picture.shape[0]
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(picture, found.homography, size, flags=how, borderMode=cv2.BORDER_REPLICATE)


def _aligned(ordered: Sequence[Pixels], rank: int, mode: AlignMode) -> list[Pixels]:
    """Give all in the geometry of the one at `rank`, which takes the place of what disagrees with it."""
    from streamfuse.align.aligner import Aligner  # which compiles loops: not for what needs no alignment

    frames = [_frame(picture, index) for index, picture in enumerate(ordered)]
    missing = {n: Neighbours(frame, None) for n, frame in enumerate(frames) if n != rank}
    bracket = Bracket(frames[rank], rank, len(frames), missing)
    (aligned,) = Aligner("best", mode, ghost=True, rate="half").push(bracket)
    if len(frames[rank].planes) == 1:
        return [luma for (luma,) in aligned.exposures]
    return [planes_to_rgb(planes, frames[rank].bits, (0, 0), _COLOR) for planes in aligned.exposures]


def _by_brightness(pictures: Sequence[Pixels]) -> list[Pixels]:
    return sorted(pictures, key=lambda picture: float(picture[::4, ::4].mean()))


def _best_exposed(ordered: Sequence[Pixels]) -> int:
    return max(range(len(ordered)), key=lambda index: _usable_share(ordered[index]))


def _usable_share(picture: Pixels) -> float:
    top = float(np.iinfo(picture.dtype).max)
    sample = picture[::4, ::4]
    return float(np.mean((sample > _USABLE[0] * top) & (sample < _USABLE[1] * top)))


def _frame(picture: Pixels, index: int) -> Frame:
    bits = 8 * picture.dtype.itemsize
    pixels = np.ascontiguousarray(picture)
    planes: tuple[Pixels, ...] = (pixels,)
    if pixels.ndim == 3:
        planes = rgb_to_planes(pixels, bits=bits, subsampling=(0, 0), color=_COLOR)
    return Frame(planes, bits, (0, 0), _COLOR, index, Fraction(1, 25), index)
