"""The full-size blend of two exposures in 16-bit integers: the pixels of `blend.blend_luma` at a quarter of its time.

Pictures are held as 12-bit values in int16, in which OpenCV and NumPy work on 32 pixels at a time. The weights of a
band, smooth by construction, are computed at half its resolution; the local energy is the square of the mean of
|band| over 6x6 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.frame import ColorInfo, FusionMaps, Map, Plane, luma_range
from streamfuse.fusion.blend import blend_luma
from streamfuse.fusion.pyramid import ENERGY_FLOOR

Fixed = npt.NDArray[np.int16]  # 12-bit pictures, or weights in units of 1 / _ONE

_BITS = 12
_ONE = 1 << 14
_CELL = 4  # pixels at the network's scale per value of its finest maps
_STRIP_PIXELS = 1 << 18  # temporaries of half a megabyte stay in a core's own cache
# The mean of |x| over a window stands for the root of the mean of x^2; for normal x they differ by sqrt(2 / pi).
_MEAN_ABSOLUTE = float(np.sqrt(2 / np.pi))
_DETAIL_SHIFT = 2  # |band| is kept as 8 bits in units of 4 / 4095, and saturates at a quarter of the range


def reduced(plane: Plane, bits: int, color: ColorInfo, extra: int) -> Map:
    """Luma as the network sees it: halved `extra` times, float32 in [0, 1]."""
    return _as_float(_halvings(_to_fixed(plane, bits, color, 1 << extra), extra)[-1], _peak(bits, color))


def blend_pair(
    planes: tuple[Plane, Plane],
    maps: FusionMaps,
    exponents: Sequence[float],
    extra: int,
    bits: int,
    color: ColorInfo,
) -> Plane:
    """Fuse the luma of two exposures.

    Args:
        planes: (H, W), the darker one first; at most 12 bits deep.
        maps: as `blend.blend_luma` takes them.
        exponents: of the local energy, per network band.
        extra: how many times the picture was halved before the network saw it, 1 or more.
        bits, color: as in `Frame`.

    Returns:
        (H, W) of the planes' dtype, clipped to the nominal range.
    """
    pyramids = [_halvings(_to_fixed(plane, bits, color, 1 << extra), extra) for plane in planes]
    peak = _peak(bits, color)
    small = [_as_float(pyramid[-1], peak) for pyramid in pyramids]
    picture = np.rint(blend_luma(small, maps, exponents, 0) * np.float32(peak)).astype(np.int16)
    table = _energy_table(exponents[0], peak)
    for level in range(extra - 1, -1, -1):
        fine = pyramids[0][level], pyramids[1][level]
        coarse = pyramids[0][level + 1], pyramids[1][level + 1]
        shares = _shares(fine, coarse, maps, _CELL << (extra - level - 1), table)
        picture = _refine(picture, fine, coarse, shares)
    return _to_codes(picture, planes[0], bits, color)


def _peak(bits: int, color: ColorInfo) -> int:
    """White, where black is 0."""
    black, white = luma_range(bits, color.full_range)
    return (white - black) << (_BITS - bits)


def _as_float(picture: Fixed, peak: int) -> Map:
    return picture.astype(np.float32) * np.float32(1 / peak)


def _to_fixed(plane: Plane, bits: int, color: ColorInfo, multiple: int) -> Fixed:
    """12-bit values over black, clipped to the nominal range; the border is repeated up to a multiple."""
    black, white = luma_range(bits, color.full_range)
    bottom, right = -plane.shape[0] % multiple, -plane.shape[1] % multiple
    if bottom or right:
        plane = cv2.copyMakeBorder(plane, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    out = np.empty(plane.shape, np.int16)
    for lines in _strips(plane.shape):
        part = plane[lines]
        if black:
            part = np.clip(part, black, white)
            part -= plane.dtype.type(black)
        np.copyto(out[lines], part, casting="unsafe")
        np.left_shift(out[lines], _BITS - bits, out=out[lines])
    return out


def _to_codes(picture: Fixed, like: Plane, bits: int, color: ColorInfo) -> Plane:
    black, white = luma_range(bits, color.full_range)
    width = like.shape[1]
    shift = _BITS - bits
    out = np.empty_like(like)
    for lines in _strips(like.shape):
        part = picture[lines, :width]
        rounded = part + np.int16((1 << shift) >> 1)
        np.right_shift(rounded, shift, out=rounded)
        np.clip(rounded, 0, white - black, out=rounded)
        np.add(rounded, black, out=out[lines], casting="unsafe")
    return out


def _halvings(picture: Fixed, times: int) -> list[Fixed]:
    """The picture and its means of 2x2 pixels, `times` times over."""
    pyramid = [picture]
    for _ in range(times):
        height, width = pyramid[-1].shape
        # OpenCV is faster at unsigned numbers, and none is negative here.
        finer = pyramid[-1].view(np.uint16)
        pyramid.append(
            cv2.resize(finer, (width // 2, height // 2), interpolation=cv2.INTER_AREA).view(np.int16)
        )
    return pyramid


def _shares(
    fine: tuple[Fixed, Fixed],
    coarse: tuple[Fixed, Fixed],
    maps: FusionMaps,
    cell: int,
    table: Map,
) -> tuple[Fixed, Fixed]:
    """Weight x gain of both exposures for a band, at half its resolution, in units of 1 / `_ONE`.

    Args:
        fine, coarse: both exposures at the band's resolution, and at half of it.
        maps: of the whole picture.
        cell: lines of `coarse` per line of the finest maps.
        table: from `_energy_table`.
    """
    dark, bright = (cv2.LUT(_detail(f, c), table) for f, c in zip(fine, coarse, strict=True))
    prior = _spread(maps.priors[0][1], cell, bright.shape)
    bright *= prior
    dark *= np.subtract(1, prior, out=prior)
    scale = np.divide(np.float32(_ONE), np.add(dark, bright, out=prior), out=prior)
    if maps.gains:
        scale *= _spread(maps.gains[0], cell, bright.shape)
    bright *= scale
    dark *= scale
    return dark.astype(np.int16), bright.astype(np.int16)


def _spread(field: Map, cell: int, size: tuple[int, ...]) -> Map:
    """A map whose values stand for cells of `cell` x `cell` pixels, bilinear, cut to `size`."""
    rows, columns = field.shape
    return np.asarray(cv2.resize(field, (columns * cell, rows * cell))[: size[0], : size[1]], np.float32)


def _detail(fine: Fixed, coarse: Fixed) -> Plane:
    """Mean |band| over 6x6 pixels, at half the band's resolution: 8 bits, in steps of 1 << `_DETAIL_SHIFT`."""
    height, width = coarse.shape
    out = np.empty((height, width), np.uint8)
    for lines in _strips(fine.shape):
        band = cv2.absdiff(fine[lines], _enlarge(coarse, lines))
        small = cv2.convertScaleAbs(band, alpha=1 / (1 << _DETAIL_SHIFT))
        half = slice(lines.start // 2, lines.stop // 2)
        cv2.resize(small, (width, half.stop - half.start), dst=out[half], interpolation=cv2.INTER_AREA)
    return cv2.blur(out, (3, 3), borderType=cv2.BORDER_REPLICATE)


def _energy_table(exponent: float, peak: int) -> Map:
    """Mean |band| as `_detail` gives it -> (energy + floor) ** exponent."""
    steps = np.arange(256) * (1 << _DETAIL_SHIFT) / peak / _MEAN_ABSOLUTE
    return ((steps**2 + ENERGY_FLOOR) ** exponent).astype(np.float32)


def _refine(
    picture: Fixed, fine: tuple[Fixed, Fixed], coarse: tuple[Fixed, Fixed], shares: tuple[Fixed, Fixed]
) -> Fixed:
    """The next finer level of the fused picture: its bands, weighted, upon the level below."""
    out = np.empty_like(fine[0])
    for lines in _strips(out.shape):
        total = _enlarge(picture, lines)
        for own, below, share in zip(fine, coarse, shares, strict=True):
            band = cv2.subtract(own[lines], _enlarge(below, lines))
            weighted = cv2.multiply(band, _enlarge(share, lines), dst=band, scale=1 / _ONE)
            total = cv2.add(total, weighted, dst=weighted)
        out[lines] = total
    return out


def _enlarge(coarse: Fixed, lines: slice) -> Fixed:
    """These lines (even numbers) of the picture at twice the size, bilinear."""
    top, bottom = max(lines.start // 2 - 1, 0), min(lines.stop // 2 + 1, coarse.shape[0])
    size = (2 * coarse.shape[1], 2 * (bottom - top))
    enlarged = cv2.resize(coarse[top:bottom], size, interpolation=cv2.INTER_LINEAR)
    return enlarged[lines.start - 2 * top : lines.stop - 2 * top]


def _strips(shape: tuple[int, ...]) -> list[slice]:
    """Slices of an even number of lines, and the rest."""
    height, width = shape
    step = max(2, _STRIP_PIXELS // width // 2 * 2)
    return [slice(first, min(first + step, height)) for first in range(0, height, step)]
