"""The full-size blend of two exposures: the pixels of `blend.blend_luma`, in compiled passes at a fraction of its time.

The weights of a band, smooth by construction, are computed at half its resolution; the local energy is the square of
the mean of |band| over 6x6 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import numpy as np

from streamfuse.core.color_info import ColorInfo, luma_range
from streamfuse.core.frame import FusionMaps, Map, Plane
from streamfuse.fusion.bands import Range, Sharpening, Values, refine, shrink
from streamfuse.fusion.blend import blend_luma
from streamfuse.fusion.pyramid_settings import ENERGY_FLOOR

_CELL = 4  # pixels at the network's scale per value of its finest maps
_PIXELS = 36  # over which |band| is summed
# The mean of |x| over a window stands for the root of the mean of x^2; for normal x they differ by sqrt(2 / pi).
_MEAN_ABSOLUTE = float(np.sqrt(2 / np.pi))
# Of levels between, and of pictures in floats: nothing is clipped.
FLOATS = Range(np.float32(0), np.float32(-1e9), np.float32(1e9), np.float32(0))


def reduced(plane: Plane, bits: int, color: ColorInfo, extra: int) -> Map:
    """Luma as the network sees it: halved `extra` times (1 or more), float32 in [0, 1]."""
    black, white = luma_range(bits, color.full_range)
    small = np.empty([-(-side // (1 << extra)) for side in plane.shape], np.float32)
    shrink(plane, _nominal(bits, color), 1 << extra, small)
    small *= np.float32(1 / (white - black))
    return small


def halves_of(plane: Plane, bits: int, color: ColorInfo, extra: int) -> list[Map]:
    """Luma over black, in codes, halved once and again, as often as before the network saw it: 1 or more times."""
    return octaves(plane, _nominal(bits, color), extra)


def blend_pair(
    planes: tuple[Plane, Plane],
    halves: tuple[Sequence[Map], Sequence[Map]],
    maps: FusionMaps,
    exponents: Sequence[float],
    bits: int,
    color: ColorInfo,
    *,
    into: Plane | None = None,
    level: Callable[[Map], float] | None = None,
) -> Plane:
    """Fuse the luma of two exposures.

    Args:
        planes: (H, W), the darker one first.
        halves: of each, see `halves_of`.
        maps: as `blend.blend_luma` takes them.
        exponents: of the local energy, per network band.
        bits, color: as in `Frame`.
        into: where to write the result, like the planes; by default a new array.
        level: is given the fused luma at the network's scale, in [0, 1], and tells what to add to it.

    Returns:
        (H, W) of the planes' dtype, clipped to the nominal range.
    """
    black, white = luma_range(bits, color.full_range)
    peak = np.float32(white - black)
    dark, bright = halves
    picture = blend_luma([dark[-1] / peak, bright[-1] / peak], maps, exponents, 0)
    more = np.float32(0.0 if level is None else level(picture))
    picture = (picture + more if more else picture) * peak
    levels: list[tuple[Values, Values]] = [planes, *zip(dark, bright, strict=True)]
    return cast(Plane, refined(picture, levels, maps, exponents[0], float(peak), _nominal(bits, color), into))


def upon(base: Map, lumas: Sequence[Map], maps: FusionMaps, exponent: float, extra: int) -> Map:
    """Give the finer bands of two padded pictures in [0, 1] upon the fused one, of their size halved `extra` times."""
    dark, bright = (octaves(luma, FLOATS, extra) for luma in lumas)
    levels: list[tuple[Values, Values]] = [(lumas[0], lumas[1]), *zip(dark, bright, strict=True)]
    picture = np.ascontiguousarray(base)
    return np.asarray(refined(picture, levels, maps, exponent, 1.0, FLOATS), np.float32)


def refined(
    picture: Values,
    levels: Sequence[tuple[Values, Values]],
    maps: FusionMaps,
    exponent: float,
    peak: float,
    limits: Range,
    into: Values | None = None,
) -> Values:
    """Give the finer bands of two exposures upon the fused picture at the network's scale.

    Args:
        picture: (h, w).
        levels: both exposures, finest first; the last ones are as large as the picture, and not used for more.
        maps: of which the finest are used.
        exponent: of the local energy.
        peak: white over black, in the unit of all these.
        limits: of the finest level.
        into: as of `blend_pair`.
    """
    prior = _at_least_two(maps.priors[0][1])
    gain = _at_least_two(maps.gains[0]) if maps.gains else np.ones_like(prior)
    floor = np.float32(ENERGY_FLOOR * (_PIXELS * _MEAN_ABSOLUTE * peak) ** 2)
    for number, (coarse, fine) in enumerate(pairwise(reversed(levels))):
        last = number == len(levels) - 2
        out = into if last and into is not None else np.empty_like(fine[0])
        how = Sharpening(np.float32(_CELL << number), floor, np.float32(exponent))
        within = limits if last else FLOATS
        refine((fine[0], fine[1]), (coarse[0], coarse[1]), picture, prior, gain, how, within, out)
        picture = out
    return picture


def octaves(plane: Values, limits: Range, times: int) -> list[Map]:
    """Luma over black, halved 1 to `times` times, in the unit of the plane."""
    height, width = (-(-side // (1 << times)) << times for side in plane.shape)
    pyramid: list[Map] = []
    for level in range(1, times + 1):
        half = np.empty((height >> level, width >> level), np.float32)
        shrink(pyramid[-1] if pyramid else plane, FLOATS if pyramid else limits, 2, half)
        pyramid.append(half)
    return pyramid


def _nominal(bits: int, color: ColorInfo) -> Range:
    black, white = luma_range(bits, color.full_range)
    return Range(np.float32(black), np.float32(black), np.float32(white), np.float32(0.5))


def _at_least_two(field: Map) -> Map:
    """Give a map with two lines and two columns at least, by repeating what there is."""
    rows, columns = (max(2 - side, 0) for side in field.shape)
    return (
        np.pad(field, ((0, rows), (0, columns)), "edge") if rows or columns else np.ascontiguousarray(field)
    )
