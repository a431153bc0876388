"""The full-size blend of two exposures in 16-bit integers: the pixels of `blend.blend_luma` at a fifth of its time.

Above the network's scale one weight map serves every band, so with weights w_k (times the gain of edge revision) a
level of the fused pyramid is

    Y_l = up(Y_(l+1)) + sum_k w_k (G_k,l - up(G_k,(l+1)))  =  up(Y_(l+1) - sum_k w_k G_k,(l+1)) + sum_k up(w_k) G_k,l

where the second form takes the weights, smooth by construction, at half the resolution of the level. All that is left
to do per pixel of the level is to look up three small maps and two products. Pictures are held as 12-bit values in
int16, in which OpenCV and NumPy work on 32 pixels at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.frame import ColorInfo, FusionMaps, Map, Plane, luma_range
from streamfuse.fusion.pyramid import ENERGY_FLOOR
from streamfuse.grid import resample

Fixed = npt.NDArray[np.int16]  # 12-bit pictures, or weights in units of 1 / _ONE
Whole = Callable[[Sequence[Map], FusionMaps], Map]  # the blend of float32 pictures at the network's scale

MOST_BITS = 12
_ONE = 1 << 14
_STRIP_PIXELS = 1 << 18  # temporaries of half a megabyte stay in a core's own cache
# The mean of |x| over a window stands for the root of the mean of x^2; for normal x they differ by sqrt(2 / pi).
_MEAN_ABSOLUTE = float(np.sqrt(2 / np.pi))
_DETAIL_SHIFT = 2  # |band| is kept as 8 bits in units of 4 / 4095, and saturates at a quarter of the range


def blend_pair(
    planes: tuple[Plane, Plane],
    maps: FusionMaps,
    exponent: float,
    extra: int,
    bits: int,
    color: ColorInfo,
    whole: Whole,
) -> Plane:
    """Fuse the luma of two exposures.

    Args:
        planes: (H, W), the darker one first; at most `MOST_BITS` deep.
        maps: as `blend.blend_luma` takes them.
        exponent: of the local energy, for the network's finest band.
        extra: how many times the picture was halved before the network saw it, 1 or more.
        bits, color: as in `Frame`.
        whole: blends the pictures at the network's scale, of float32 in [0, 1].

    Returns:
        (H, W) of the planes' dtype, clipped to the nominal range.
    """
    pyramids = [_halvings(_to_fixed(plane, bits, color, 1 << extra), extra) for plane in planes]
    peak = _peak(bits, color)
    small = [pyramid[-1].astype(np.float32) * np.float32(1 / peak) for pyramid in pyramids]
    picture = np.rint(whole(small, maps) * np.float32(peak)).astype(np.int16)
    prior = maps.priors[0][1]
    gain = maps.gains[0] if maps.gains else None
    for level in range(extra - 1, -1, -1):
        fine = pyramids[0][level], pyramids[1][level]
        coarse = pyramids[0][level + 1], pyramids[1][level + 1]
        shares = _shares(fine, coarse, prior, gain, exponent, peak, _coverage(maps, planes[0], extra))
        rest = picture - _products(coarse, shares)
        picture = _refine(rest, fine, shares)
    return _to_codes(picture, planes[0], bits, color)


def _peak(bits: int, color: ColorInfo) -> int:
    """White, where black is 0."""
    black, white = luma_range(bits, color.full_range)
    return (white - black) << (MOST_BITS - bits)


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
            part = np.clip(part, black, white) - plane.dtype.type(black)
        np.multiply(part, np.int16(1 << (MOST_BITS - bits)), out=out[lines], dtype=np.int16, casting="unsafe")
    return out


def _to_codes(picture: Fixed, like: Plane, bits: int, color: ColorInfo) -> Plane:
    black, white = luma_range(bits, color.full_range)
    height, width = like.shape
    shift = MOST_BITS - bits
    out = np.empty_like(like)
    for lines in _strips(like.shape):
        part = picture[lines, :width]
        rounded = np.right_shift(part + np.int16((1 << shift) >> 1), shift)
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
        pyramid.append(cv2.resize(finer, (width // 2, height // 2), interpolation=cv2.INTER_AREA).view(np.int16))
    return pyramid


def _coverage(maps: FusionMaps, like: Plane, extra: int) -> tuple[float, float]:
    """What the maps span, in units of the picture padded to a multiple of 2 ** extra."""
    multiple = 1 << extra
    rows, columns = (side + -side % multiple for side in like.shape)
    return maps.coverage[0] * like.shape[0] / rows, maps.coverage[1] * like.shape[1] / columns


def _shares(
    fine: tuple[Fixed, Fixed],
    coarse: tuple[Fixed, Fixed],
    prior: Map,
    gain: Map | None,
    exponent: float,
    peak: int,
    coverage: tuple[float, float],
) -> tuple[Fixed, Fixed]:
    """Weight x gain of both exposures for a band, at half its resolution, in units of 1 / `_ONE`."""
    size = coarse[0].shape
    brighter = resample(prior, size, coverage=coverage)
    table = _energy_table(exponent, peak)
    raw = [cv2.LUT(_detail(f, c), table) for f, c in zip(fine, coarse, strict=True)]
    raw[1] *= brighter
    raw[0] *= 1 - brighter
    total = raw[0] + raw[1]
    scale = np.float32(_ONE) / total if gain is None else resample(gain, size, coverage=coverage) * np.float32(_ONE) / total
    return (raw[0] * scale).astype(np.int16), (raw[1] * scale).astype(np.int16)


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


def _products(pictures: tuple[Fixed, Fixed], shares: tuple[Fixed, Fixed]) -> Fixed:
    """Sum of picture x share, of one size."""
    first = cv2.multiply(pictures[0], shares[0], scale=1 / _ONE)
    second = cv2.multiply(pictures[1], shares[1], scale=1 / _ONE)
    return np.asarray(cv2.add(first, second, dst=first), np.int16)


def _refine(rest: Fixed, fine: tuple[Fixed, Fixed], shares: tuple[Fixed, Fixed]) -> Fixed:
    """The next finer level of the fused picture."""
    out = np.empty_like(fine[0])
    for lines in _strips(out.shape):
        enlarged = _enlarge(shares[0], lines), _enlarge(shares[1], lines)
        part = _products((fine[0][lines], fine[1][lines]), enlarged)
        cv2.add(part, _enlarge(rest, lines), dst=out[lines])
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
