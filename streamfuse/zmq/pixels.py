"""Pixel formats of raw payloads, under FFmpeg's names: which planes they have, and to and from `Frame` planes."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from streamfuse.core.color import chroma_shape, convert_planes, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame, FusedFrame, Pixels, Plane
from streamfuse.errors import UsageError

_SUBSAMPLING = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "440": (0, 1), "411": (2, 0), "410": (2, 2)}
_RGB_MATRIX = 0  # H.273: the components are R', G', B'


class PixelFormat(NamedTuple):
    """How the pixels of a raw payload lie in its parts."""

    kind: Literal["planar", "gray", "nv12", "rgb", "bgr"]
    bits: int
    subsampling: tuple[int, int]

    @property
    def dtype(self) -> Literal["uint8", "uint16"]:
        """Of every plane; above 8 bit the value is in the low bits."""
        return "uint8" if self.bits == 8 else "uint16"


class PlaneShape(NamedTuple):
    """One part of a raw payload."""

    name: str
    dtype: Literal["uint8", "uint16"]
    shape: tuple[int, ...]


def _formats() -> dict[str, PixelFormat]:
    found = {
        "nv12": PixelFormat("nv12", 8, (1, 1)),
        "rgb24": PixelFormat("rgb", 8, (0, 0)),
        "bgr24": PixelFormat("bgr", 8, (0, 0)),
        "rgb48le": PixelFormat("rgb", 16, (0, 0)),
        "bgr48le": PixelFormat("bgr", 16, (0, 0)),
    }
    for bits in range(8, 17):
        depth = "" if bits == 8 else f"{bits}le"
        found[f"gray{depth}"] = PixelFormat("gray", bits, (0, 0))
        for name, subsampling in _SUBSAMPLING.items():
            found[f"yuv{name}p{depth}"] = PixelFormat("planar", bits, subsampling)
    return found


FORMATS = _formats()
# What a publisher may be asked for; the depth follows the frames.
LAYOUTS = ("native", "nv12", "rgb24", "bgr24", "gray")


@lru_cache(maxsize=64)
def planes_of(name: str, width: int, height: int) -> tuple[PlaneShape, ...]:
    """Give the parts of a raw picture, in order."""
    kind, _, subsampling = FORMATS[name]
    dtype = FORMATS[name].dtype
    chroma = chroma_shape(height, width, subsampling)
    luma = PlaneShape("y", dtype, (height, width))
    if kind == "planar":
        return luma, PlaneShape("cb", dtype, chroma), PlaneShape("cr", dtype, chroma)
    if kind == "nv12":
        return luma, PlaneShape("cbcr", dtype, (*chroma, 2))
    return (luma,) if kind == "gray" else (PlaneShape(kind, dtype, (height, width, 3)),)


def native_format(bits: int, subsampling: tuple[int, int], has_chroma: bool) -> str:
    """Give the format that holds such planes as they are."""
    wanted = PixelFormat("planar" if has_chroma else "gray", bits, subsampling if has_chroma else (0, 0))
    return next(name for name, found in FORMATS.items() if found == wanted)


def chosen_format(layout: str, bits: int, subsampling: tuple[int, int], has_chroma: bool) -> str:
    """Give the format for frames like these in one of `LAYOUTS`.

    Raises:
        UsageError: no such layout.
    """
    native = native_format(bits, subsampling, has_chroma)
    if layout not in LAYOUTS:
        raise UsageError(f"There is no pixel layout {layout!r}: use one of {', '.join(LAYOUTS)}.")
    if layout == "gray":
        return native_format(bits, (0, 0), False)
    if layout in {"rgb24", "bgr24"}:
        return layout if bits == 8 else f"{layout[:3]}48le"
    return layout if layout == "nv12" and has_chroma else native


def packed_color(name: str, color: ColorInfo) -> ColorInfo:
    """Colour description of the payload of frames with this `color`."""
    if FORMATS[name].kind in {"rgb", "bgr"}:
        return ColorInfo(_RGB_MATRIX, color.primaries, color.transfer, full_range=True)
    return color


def pack(frame: Frame | FusedFrame, name: str) -> list[Plane]:
    """Give the picture as the arrays of `planes_of`; the planes themselves where they are in this format already."""
    kind, bits, subsampling = FORMATS[name]
    if kind == "planar" and frame.bits == bits and frame.subsampling == subsampling:
        return list(frame.planes)
    if kind in {"rgb", "bgr"}:
        return [frame.rgb() if kind == "rgb" else frame.bgr()]
    if kind == "gray":
        return [frame.planes[0]]
    planes = convert_planes(
        frame.planes, frame.bits, frame.subsampling, frame.color,
        to_bits=bits, to_subsampling=subsampling, to_color=frame.color,
    )  # fmt: skip
    return [planes[0], np.stack(planes[1:], axis=-1)] if kind == "nv12" else list(planes)


class Unpacked(NamedTuple):
    """Planes as in `Frame`, and the R'G'B' they were made of, where the payload was that."""

    planes: tuple[Plane, ...]
    rgb: Pixels | None = None


def unpacked_color(name: str, color: ColorInfo) -> ColorInfo:
    """Colour description of the planes that `unpack` makes: R'G'B' becomes full-range BT.709."""
    if FORMATS[name].kind in {"rgb", "bgr"}:
        return ColorInfo(1, color.primaries, color.transfer, full_range=True)
    return color


def unpack(name: str, arrays: tuple[Plane, ...], color: ColorInfo) -> Unpacked:
    """The inverse of `pack`: arrays of `planes_of` to planes as in `Frame`."""
    kind, bits, subsampling = FORMATS[name]
    if kind == "nv12":
        chroma = np.ascontiguousarray(np.moveaxis(arrays[1], -1, 0))
        return Unpacked((arrays[0], chroma[0], chroma[1]))
    if kind in {"rgb", "bgr"}:
        rgb = arrays[0] if kind == "rgb" else np.ascontiguousarray(arrays[0][..., ::-1])
        target = unpacked_color(name, color)
        return Unpacked(rgb_to_planes(rgb, bits=bits, subsampling=subsampling, color=target), rgb)
    return Unpacked(arrays)
