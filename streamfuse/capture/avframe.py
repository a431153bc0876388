"""From a decoded `av.VideoFrame` to planes: native where the format is Y'CbCr, else through R'G'B'."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

import av
import numpy as np

from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import UNSPECIFIED, ColorInfo
from streamfuse.core.frame import Pixels, Plane
from streamfuse.core.one_buffer import in_one_buffer
from streamfuse.errors import InputError

_PLANAR = re.compile(r"yuv[aj]?4(?:20|22|44|40|11|10)p(?:(9|1[0-6])le)?|gray(?:(9|1[0-6])le)?")
_PLANAR_RGB = re.compile(r"gbra?p(?:(9|1[0-6])le)?")
_SEMI_PLANAR = re.compile(r"nv(?:12|16|24|21|42)|p[024](?:10|12|16)le")
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
SRGB = ColorInfo(matrix=1, primaries=1, transfer=13, full_range=True)


class DecodedPicture(NamedTuple):
    """Planes and what they mean; fields as in `Frame`."""

    planes: tuple[Plane, ...]
    bits: int
    subsampling: tuple[int, int]
    color: ColorInfo


def picture_of(frame: av.VideoFrame, *, upright: bool = True) -> DecodedPicture:
    """Copy the planes out of a decoded frame.

    Y'CbCr keeps its depth and subsampling (alpha is dropped). R'G'B' and palettes become full-range BT.709
    4:4:4 of 8 or 16 bit, which leads back to the same R'G'B' within one code value.

    Args:
        frame: as decoded.
        upright: turn the picture as the frame's display matrix says (multiples of 90 degrees).

    Raises:
        InputError: a pixel format that cannot be converted.
    """
    layout = frame.format
    if layout.is_rgb or layout.has_palette:
        picture = _from_rgb(frame)
    elif _PLANAR.fullmatch(layout.name):
        picture = _from_planar(frame)
    elif _SEMI_PLANAR.fullmatch(layout.name):
        picture = _from_semi_planar(frame)
    else:
        picture = _from_planar(_reformat(frame, _planar_name(layout)))
    return _turned(picture, frame.rotation) if upright else picture


def _color_of(frame: av.VideoFrame) -> ColorInfo:
    """Give the colour tags of a frame; an untagged grey picture is full range, as FFmpeg has it."""
    name = frame.format.name
    untagged_grey = name.startswith(("gray", "ya", "mono")) and frame.color_range == 0
    full = name.startswith("yuvj") or frame.color_range == _FULL_RANGE or untagged_grey
    # 0 says R'G'B', which these planes are not: some decoders leave it where nothing is known.
    return ColorInfo(frame.colorspace or UNSPECIFIED, frame.color_primaries, frame.color_trc, full)


def _subsampling(layout: av.VideoFormat) -> tuple[int, int]:
    """log2 of the (horizontal, vertical) chroma subsampling."""
    return 16 // layout.chroma_width(16) >> 1, 16 // layout.chroma_height(16) >> 1


def _planar_name(layout: av.VideoFormat) -> str:
    """Give the planar format with the depth and subsampling of a packed one."""
    bits = max(component.bits for component in layout.components)
    depth = "" if bits <= 8 else f"{bits}le"
    if len(layout.components) <= 2:
        return f"gray{depth}"
    name = {(1, 1): "yuv420p", (1, 0): "yuv422p", (0, 1): "yuv440p", (2, 0): "yuv411p", (2, 2): "yuv410p"}
    return name.get(_subsampling(layout), "yuv444p") + depth


def _reformat(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """Convert to another pixel format of the same colour family, in one thread.

    With several, libswscale gives each a band of rows, and what it writes past the end of a band's last row races with
    the first row of the next (two rows of a `y210le` came out wrong in one picture of ten). One thread gives the same
    picture every time.
    """
    try:
        return frame.reformat(format=name, threads=1)
    except (av.FFmpegError, ValueError) as error:
        raise InputError(
            f"The pixel format {frame.format.name} cannot be converted to {name} ({error}); convert the "
            "video to yuv420p first."
        ) from error


def _rows(frame: av.VideoFrame, index: int, samples: int) -> Plane:
    """(H, samples) view of one plane, without the padding at the end of each line."""
    plane = frame.planes[index]
    dtype = np.dtype(np.uint16 if max(c.bits for c in frame.format.components) > 8 else np.uint8)
    lines = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * plane.height].reshape(
        plane.height, plane.line_size
    )
    return lines[:, : samples * dtype.itemsize].view(dtype)


def _from_planar(frame: av.VideoFrame) -> DecodedPicture:
    layout = frame.format
    count = 1 if layout.name.startswith("gray") else 3
    planes = in_one_buffer([_rows(frame, i, frame.planes[i].width) for i in range(count)])
    return DecodedPicture(
        planes, layout.components[0].bits, _subsampling(layout) if count == 3 else (0, 0), _color_of(frame)
    )


def _from_semi_planar(frame: av.VideoFrame) -> DecodedPicture:
    layout = frame.format
    bits = layout.components[0].bits
    width = layout.chroma_width(frame.width)
    luma, pairs = _rows(frame, 0, frame.width), _rows(frame, 1, 2 * width)
    first, second = pairs[:, 0::2], pairs[:, 1::2]
    if layout.name in ("nv21", "nv42"):
        first, second = second, first
    shift = 16 - bits if bits > 8 else 0  # P010 and its kin have the value in the high bits
    planes = in_one_buffer(
        [np.asarray(plane >> shift, np.uint16) if shift else plane for plane in (luma, first, second)]
    )
    return DecodedPicture(planes, bits, _subsampling(layout), _color_of(frame))


def picture_of_rgb(rgb: Pixels, color: ColorInfo = SRGB) -> DecodedPicture:
    """R'G'B' pixels (H, W, 3), uint8 or uint16, as full-range 4:4:4 planes of 8 or 16 bit."""
    bits = 8 * rgb.dtype.itemsize
    return DecodedPicture(rgb_to_planes(rgb, bits=bits, subsampling=(0, 0), color=color), bits, (0, 0), color)


def _from_rgb(frame: av.VideoFrame) -> DecodedPicture:
    tags = _color_of(frame)
    color = replace(
        SRGB,
        primaries=SRGB.primaries if tags.primaries == UNSPECIFIED else tags.primaries,
        transfer=SRGB.transfer if tags.transfer == UNSPECIFIED else tags.transfer,
    )
    if _PLANAR_RGB.fullmatch(frame.format.name):
        return picture_of_rgb(_rgb_of_planar(frame), color)
    bits = 8 if max(component.bits for component in frame.format.components) <= 8 else 16
    # Only the order of bytes changes here: PyAV's own way to Y'CbCr takes BT.601 whatever the tags say.
    packed = _reformat(frame, "rgb24" if bits == 8 else "rgb48le")
    rgb = _rows(packed, 0, 3 * frame.width).reshape(frame.height, frame.width, 3)
    return picture_of_rgb(rgb, color)


def _rgb_of_planar(frame: av.VideoFrame) -> Pixels:
    """(H, W, 3) from planes in the order green, blue, red; above 8 bit stretched to 16."""
    green, blue, red = (_rows(frame, index, frame.width) for index in range(3))
    rgb = np.stack([red, green, blue], axis=2)
    bits = frame.format.components[0].bits
    if bits == 8:
        return rgb
    return np.rint(rgb * (65535.0 / ((1 << bits) - 1))).astype(np.uint16)


def _turned(picture: DecodedPicture, degrees: int) -> DecodedPicture:
    """Turn counterclockwise by a multiple of 90 degrees; other angles are left alone."""
    turns = degrees // 90 % 4
    if degrees % 90 or not turns:
        return picture
    planes = tuple(np.ascontiguousarray(np.rot90(plane, turns)) for plane in picture.planes)
    horizontal, vertical = picture.subsampling
    return picture._replace(
        planes=planes, subsampling=(vertical, horizontal) if turns % 2 else picture.subsampling
    )
