"""Colour arithmetic on planes: to and from R'G'B', and between depths, ranges, matrices and chroma
subsamplings.

Formulas: ITU-R BT.601, BT.709 and BT.2020, quantised as ITU-T H.273 section 8.3 says. All arithmetic is
float32, the result is rounded to nearest and clipped.

Chroma sits as in MPEG-2 and H.264 by default: horizontally on the left luma sample, vertically between two
lines. JPEG centres it in both directions; that quarter of a chroma sample is ignored. Transfer and primaries
are never converted.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.arguments import described
from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range
from streamfuse.core.frame import Pixels, Plane
from streamfuse.errors import UsageError

_Float = npt.NDArray[np.float32]
_Affine = npt.NDArray[np.float64]  # (3, 4): a 3x3 matrix and an offset


def chroma_shape(height: int, width: int, subsampling: tuple[int, int]) -> tuple[int, int]:
    """Give (rows, columns) of a chroma plane: the luma size divided by the subsampling, rounded up."""
    horizontal, vertical = subsampling
    return -(-height >> vertical), -(-width >> horizontal)


def planes_to_rgb(
    planes: tuple[Plane, ...],
    bits: int,
    subsampling: tuple[int, int],
    color: ColorInfo,
    *,
    blue_first: bool = False,
    out: Pixels | None = None,
) -> Pixels:
    """Convert planes to R'G'B'.

    Args:
        planes: (Y,) or (Y, Cb, Cr) as in `Frame`; a grey picture gives three equal channels.
        bits, subsampling, color: as in `Frame`.
        blue_first: B'G'R', as OpenCV has it.
        out: where to put it, in place of a new array.

    Returns:
        (H, W, 3), full range: uint8 for 8-bit planes, uint16 over the whole 16-bit range above; `out`, if given.

    Raises:
        UsageError: `out` is not such an array in C order that can be written to, or chroma does not fit luma.
    """
    from streamfuse.core.rgb_rows import grey_lines, picture_lines  # Numba takes long to load

    height, width = planes[0].shape
    dtype: np.dtype[np.unsignedinteger] = np.dtype(np.uint8) if bits == 8 else np.dtype(np.uint16)
    made = _target(out, (height, width, 3), dtype)
    out_bits = 8 * dtype.itemsize
    lines, top = made.reshape(height, 3 * width), np.float32((1 << out_bits) - 1)
    luma, *chroma = (_readable(plane) for plane in planes)
    if not chroma:
        scale, offset = _luma_line(bits, color.full_range, out_bits, True)
        grey_lines(luma, np.float32(scale), np.float32(offset), top, lines)
        return made
    wanted = chroma_shape(height, width, subsampling)
    if any(plane.shape != wanted for plane in chroma):
        shapes = " and ".join(str(plane.shape) for plane in chroma)
        raise UsageError(
            f"Chroma planes of {shapes} do not fit a luma plane of {(height, width)} with a subsampling of "
            f"{subsampling}: give planes of {wanted}, or another subsampling."
        )
    matrix = _ycc_to_rgb(bits, color, height, float(top)).astype(np.float32)
    matrix = np.ascontiguousarray(matrix[::-1] if blue_first else matrix)
    picture_lines(luma, chroma[0], chroma[1], 1 << subsampling[0], 1 << subsampling[1], matrix, top, lines)
    return made


def to_8_bit(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Give pixels in 8 bit, rounded; those that are, as they are."""
    if pixels.dtype == np.uint8:
        return pixels.view(np.uint8)
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257), np.uint8).reshape(pixels.shape)


def to_16_bit(pixels: Pixels) -> npt.NDArray[np.uint16]:
    """Give pixels in 16 bit, white as white; those that are, as they are."""
    return pixels.view(np.uint16) if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * np.uint16(257)


def copied_rgb(rgb: Pixels, *, blue_first: bool = False, out: Pixels | None = None) -> Pixels:
    """Copy pixels (H, W, 3) that are R'G'B' already; arguments and errors are those of `planes_to_rgb`."""
    made = _target(out, rgb.shape, rgb.dtype)
    made[...] = rgb[..., ::-1] if blue_first else rgb
    return made


def rgb_to_planes(
    rgb: Pixels, *, bits: int, subsampling: tuple[int, int], color: ColorInfo
) -> tuple[Plane, Plane, Plane]:
    """Convert R'G'B' to planes; the inverse of `planes_to_rgb`.

    Args:
        rgb: (H, W, 3) uint8, or uint16 over the whole 16-bit range.
        bits, subsampling, color: what the planes shall be, as in `Frame`.

    Returns:
        (Y, Cb, Cr): uint8 at 8 bit, uint16 above.
    """
    height, width = rgb.shape[:2]
    matrix = _invert(_ycc_to_rgb(bits, color, height, float(np.iinfo(rgb.dtype).max)))
    if subsampling != (0, 0):
        return _subsample(_transform(rgb.astype(np.float32), matrix), bits, subsampling)
    from streamfuse.core.rgb_rows import plane_lines

    made = np.empty((3, height, width), np.uint8 if bits == 8 else np.uint16)
    pixels, top = _readable(rgb).reshape(height, 3 * width), np.float32((1 << bits) - 1)
    plane_lines(pixels, matrix.astype(np.float32), top, *made)
    return made[0], made[1], made[2]


def planes_to_light(
    planes: tuple[Plane, ...], bits: int, subsampling: tuple[int, int], color: ColorInfo
) -> _Float:
    """Give (H, W, 3) float32 R'G'B' of planes, 0..1 from black to white, neither rounded nor clipped.

    Arguments as `planes_to_rgb`.
    """
    height = planes[0].shape[0]
    if len(planes) == 1:
        black, white = luma_range(bits, color.full_range)
        grey = (planes[0].astype(np.float32) - np.float32(black)) / np.float32(white - black)
        return np.asarray(cv2.merge([grey, grey, grey]), np.float32)
    return _transform(_stack_444(planes, subsampling), _ycc_to_rgb(bits, color, height, 1.0))


def light_to_codes(
    rgb: _Float, bits: int, subsampling: tuple[int, int], color: ColorInfo
) -> tuple[_Float, _Float, _Float]:
    """Compute the inverse of `planes_to_light`: (Y, Cb, Cr) in code values, float32, neither rounded nor clipped."""
    ycc = _transform(rgb, _invert(_ycc_to_rgb(bits, color, rgb.shape[0], 1.0)))
    luma, *chroma = (np.asarray(plane, np.float32) for plane in cv2.split(ycc))
    cb, cr = (np.asarray(_resample(plane, (0, 0), subsampling, luma.shape), np.float32) for plane in chroma)
    return luma, cb, cr


def convert_planes(
    planes: tuple[Plane, ...],
    bits: int,
    subsampling: tuple[int, int],
    color: ColorInfo,
    *,
    to_bits: int,
    to_subsampling: tuple[int, int],
    to_color: ColorInfo,
) -> tuple[Plane, ...]:
    """Convert planes to another depth, range, matrix or chroma subsampling; nothing to do costs nothing.

    Primaries and transfer of `to_color` are not looked at. Grey stays grey.
    """
    height, width = planes[0].shape
    same_matrix = color.luma_coefficients(height) == to_color.luma_coefficients(height)
    same_codes = bits == to_bits and color.full_range == to_color.full_range
    if len(planes) == 3 and not same_matrix:
        to_rgb = _ycc_to_rgb(bits, color, height, 1.0)
        to_ycc = _invert(_ycc_to_rgb(to_bits, to_color, height, 1.0))
        ycc = _transform(_stack_444(planes, subsampling), _compose(to_ycc, to_rgb))
        return _subsample(ycc, to_bits, to_subsampling)
    if same_codes:
        luma: Plane = planes[0]
    else:
        luma = _linear(planes[0], *_luma_line(bits, color.full_range, to_bits, to_color.full_range), to_bits)
    if len(planes) == 1:
        return (luma,)
    if same_codes and subsampling == to_subsampling:
        return planes
    line = _chroma_line(bits, color.full_range, to_bits, to_color.full_range)
    chroma = [
        _linear(_resample(plane, subsampling, to_subsampling, (height, width)), *line, to_bits)
        for plane in planes[1:]
    ]
    return (luma, *chroma)


def neutral_chroma(height: int, width: int, bits: int, subsampling: tuple[int, int]) -> tuple[Plane, Plane]:
    """Cb and Cr planes of a picture without colour, for a luma plane of (height, width)."""
    neutral = chroma_range(bits, False)[0]
    plane = np.full(chroma_shape(height, width, subsampling), neutral, np.uint8 if bits == 8 else np.uint16)
    return plane, plane


def _target(out: Pixels | None, shape: tuple[int, ...], dtype: np.dtype[np.unsignedinteger]) -> Pixels:
    """Give the array to write pixels into: the one that is given, or a new one.

    Raises:
        UsageError: as in `planes_to_rgb`.
    """
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        raise UsageError(f"`out` has to be an array of shape {shape}, {dtype}, and is {described(out)}.")
    if not (out.flags.c_contiguous and out.flags.writeable):
        lacking = "one that can be written to" if out.flags.c_contiguous else "in C order"
        raise UsageError(f"`out` has to be an array {lacking}, such as np.empty({shape}, np.{dtype}).")
    return out


def _readable(plane: Plane) -> Plane:
    """Give a plane as the loops take it: in C order and read-only, so that one form of them does for all."""
    view = np.require(plane, requirements=["C", "A"]).view()
    view.flags.writeable = False
    return view


def _ycc_to_rgb(bits: int, color: ColorInfo, height: int, white: float) -> _Affine:
    """Affine map from Y'CbCr code values to R'G'B' in 0..white."""
    kr, kb = color.luma_coefficients(height)
    kg = 1.0 - kr - kb
    black, top = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    luma, chroma = 1.0 / (top - black), 0.5 / half
    red, blue = 2.0 * (1.0 - kr) * chroma, 2.0 * (1.0 - kb) * chroma
    matrix = np.array([[luma, 0.0, red], [luma, -blue * kb / kg, -red * kr / kg], [luma, blue, 0.0]]) * white
    offset = -matrix @ np.array([black, neutral, neutral], np.float64)
    return np.hstack([matrix, offset[:, None]])


def _transform(pixels: _Float, affine: _Affine) -> _Float:
    """Apply an affine map to each pixel of (H, W, 3)."""
    return np.asarray(cv2.transform(pixels, affine), np.float32)


def _invert(affine: _Affine) -> _Affine:
    """Give the affine map that undoes `affine`."""
    inverse = np.linalg.inv(affine[:, :3])
    return np.hstack([inverse, -inverse @ affine[:, 3:]])


def _compose(outer: _Affine, inner: _Affine) -> _Affine:
    """outer(inner(x)) as one affine map."""
    return np.hstack([outer[:, :3] @ inner[:, :3], outer[:, :3] @ inner[:, 3:] + outer[:, 3:]])


def _luma_line(bits: int, full: bool, to_bits: int, to_full: bool) -> tuple[float, float]:
    """(scale, offset) that takes luma code values from one depth and range to another."""
    black, white = luma_range(bits, full)
    to_black, to_white = luma_range(to_bits, to_full)
    scale = (to_white - to_black) / (white - black)
    return scale, to_black - scale * black


def _chroma_line(bits: int, full: bool, to_bits: int, to_full: bool) -> tuple[float, float]:
    """(scale, offset) that takes chroma code values from one depth and range to another."""
    neutral, half = chroma_range(bits, full)
    to_neutral, to_half = chroma_range(to_bits, to_full)
    scale = to_half / half
    return scale, to_neutral - scale * neutral


def _linear(plane: Plane | _Float, scale: float, offset: float, bits: int) -> Plane:
    """plane * scale + offset, rounded and clipped to `bits`."""
    return _quantise(plane.astype(np.float32) * np.float32(scale) + np.float32(offset), bits)


def _quantise(values: _Float, bits: int) -> Plane:
    """Round to nearest and clip to 0..2^bits - 1: uint8 at 8 bit, uint16 above."""
    # The addition of nothing is OpenCV's one pass of rounding, clipping and narrowing.
    zero = cast(Any, (0.0, 0.0, 0.0, 0.0))
    codes: Plane = np.asarray(cv2.add(values, zero, dtype=cv2.CV_8U if bits == 8 else cv2.CV_16U))
    return np.minimum(codes, np.uint16((1 << bits) - 1)) if 8 < bits < 16 else codes


def _stack_444(planes: tuple[Plane, ...], subsampling: tuple[int, int]) -> _Float:
    """(H, W, 3) float32 code values with chroma at luma size."""
    size = planes[0].shape
    chroma = [_resample(plane, subsampling, (0, 0), size).astype(np.float32) for plane in planes[1:]]
    return np.asarray(cv2.merge([planes[0].astype(np.float32), *chroma]), np.float32)


def _subsample(ycc: _Float, bits: int, subsampling: tuple[int, int]) -> tuple[Plane, Plane, Plane]:
    """Split (H, W, 3) code values into quantised planes with subsampled chroma."""
    luma, *chroma = cv2.split(ycc)
    small = (np.asarray(_resample(plane, (0, 0), subsampling, luma.shape), np.float32) for plane in chroma)
    cb, cr = (_quantise(plane, bits) for plane in small)
    return _quantise(np.asarray(luma), bits), cb, cr


def _resample(
    plane: Plane | _Float, subsampling: tuple[int, int], to: tuple[int, int], luma_size: tuple[int, ...]
) -> Plane | _Float:
    """Bring a chroma plane from one subsampling to another, for a luma plane of `luma_size` (H, W)."""
    if subsampling == to:
        return plane
    up = max(subsampling[0] - to[0], 0), max(subsampling[1] - to[1], 0)
    down = max(to[0] - subsampling[0], 0), max(to[1] - subsampling[1], 0)
    values = np.ascontiguousarray(plane, np.float32)
    if up != (0, 0):
        middle = min(subsampling[0], to[0]), min(subsampling[1], to[1])
        values = _upsample(values, up, chroma_shape(luma_size[0], luma_size[1], middle))
    return _downsample(values, down) if down != (0, 0) else values


def _upsample(values: _Float, up: tuple[int, int], size: tuple[int, int]) -> _Float:
    """Linear interpolation: chroma columns lie on luma columns, chroma lines between luma lines."""
    x, y = 0.5 ** up[0], 0.5 ** up[1]
    where = np.array([[x, 0.0, 0.0], [0.0, y, 0.5 * y - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(values, where, (size[1], size[0]), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32)


def _downsample(values: _Float, down: tuple[int, int]) -> _Float:
    """Low-pass and decimate; the filters fit `_upsample`: a triangle along lines, a mean down columns."""
    step_x, step_y = 1 << down[0], 1 << down[1]
    triangle = np.convolve(np.ones(step_x), np.ones(step_x)) / step_x**2
    mean = np.full(step_y, 1.0 / step_y)
    low = cv2.sepFilter2D(
        values, cv2.CV_32F, triangle, mean, anchor=(step_x - 1, 0), borderType=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(low[::step_y, ::step_x])
