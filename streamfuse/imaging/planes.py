"""Pixels of a frame as the aligner needs them: small float pictures, and whole planes in the scale of another exposure.

Sensors clip R, G and B, not luma: a saturated colour stays darker than its luma alone would tell. So exposures are
brought to one scale channel by channel.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from streamfuse.core.color_info import chroma_range, luma_range
from streamfuse.core.frame import Frame, Map, Plane
from streamfuse.imaging.enlarging import lowered, scaled
from streamfuse.imaging.photometric import NODES, IntensityMapping
from streamfuse.imaging.picture_rows import clip_colours, raised_luma, to_rgb
from streamfuse.imaging.reducing import reduced

_VISIBLE = 0.25  # code values of luma: clipping of colours that takes less is left out


@dataclass(frozen=True, slots=True, eq=False)
class WorkingPicture:
    """A frame at a reduced size.

    Args:
        luma: normalised, (h, w) float32 in [0, 1].
        rgb: R'G'B', (h, w, 3) float32 in [0, 1]; None of a grey frame.
        weights: (1, 3), of R', G' and B' in luma.
    """

    luma: Map
    rgb: Map | None
    weights: Map

    @property
    def green(self) -> Map:
        """G', or the luma of a grey frame."""
        return self.luma if self.rgb is None else np.asarray(cv2.extractChannel(self.rgb, 1), np.float32)

    @property
    def peak(self) -> Map:
        """Give the largest of R', G' and B', (h, w): the first to clip."""
        if self.rgb is None:
            return self.luma
        red, green, blue = cv2.split(self.rgb)
        return np.asarray(cv2.max(cv2.max(red, green), blue), np.float32)

    def brightened(self, curve: IntensityMapping) -> Map:
        """Luma (h, w) in the scale of a brighter exposure."""
        if self.rgb is None:
            return curve.brighten(self.luma)
        if curve.exact:
            raised = np.empty_like(self.luma)
            raised_luma(self.rgb, curve.factors, self.weights, raised)
            return raised
        return np.asarray(cv2.transform(curve.brighten_rgb(self.rgb), self.weights), np.float32)


def picture(frame: Frame, size: tuple[int, int]) -> WorkingPicture:
    """Give a frame reduced to `size` (width, height)."""
    luma = normalised_luma(frame, size)
    weights = _weights(frame)
    if len(frame.planes) == 1:
        return WorkingPicture(luma, None, weights)
    neutral, half = chroma_range(frame.bits, frame.color.full_range)
    cb, cr = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in frame.planes[1:])
    rgb = np.empty((*luma.shape, 3), np.float32)
    to_rgb(luma, cb, cr, np.float32(neutral), np.float32(0.5 / half), _to_rgb(*_coefficients(frame)), rgb)
    return WorkingPicture(luma, rgb, weights)


def normalised_luma(frame: Frame, size: tuple[int, int]) -> Map:
    """Luma of a frame reduced to `size` (width, height): float32, black = 0 and white = 1, clipped to that."""
    black, white = luma_range(frame.bits, frame.color.full_range)
    luma = frame.luma
    if size != (frame.width, frame.height):
        luma = reduced(luma, size)
    scaled = luma.astype(np.float32)
    scaled -= black
    scaled *= 1.0 / (white - black)
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def map_planes(frame: Frame, curve: IntensityMapping, to_brighter: bool) -> tuple[Plane, ...]:
    """Give all planes of a frame in the scale of another exposure, same dtype and sizes.

    What the clipping of colours takes from luma is found at the size of the chroma planes.
    """
    full = frame.color.full_range
    luma = _lookup(_luma_lut(frame.bits, full, _Key(curve), to_brighter), frame.luma)
    if len(frame.planes) == 1:
        return (luma,)
    plain = curve.exact and curve.neutral
    if plain and not to_brighter:  # nothing clips: luma and chroma shrink alike
        return (luma, *(_scaled(plane, float(1 / curve.factor), None, frame) for plane in frame.planes[1:]))
    rows, columns = frame.planes[1].shape
    if plain:
        small = picture(frame, ((columns + 1) // 2, (rows + 1) // 2))
        lost, kept = _clipped(small, float(curve.factor), frame)
        chroma = (_scaled(plane, float(curve.factor), kept, frame) for plane in frame.planes[1:])
        return (_without(luma, lost, frame), *chroma)
    apply, colours = (curve.brighten, curve.brighten_rgb) if to_brighter else (curve.darken, curve.darken_rgb)
    small = picture(frame, (columns, rows))
    assert small.rgb is not None
    mapped = cv2.transform(colours(small.rgb), _from_rgb(*_coefficients(frame)))
    lost = apply(small.luma) - cv2.extractChannel(mapped, 0)
    neutral, half = chroma_range(frame.bits, full)
    coded = (_coded(plane * np.float32(2 * half) + neutral, frame) for plane in cv2.split(mapped)[1:])
    return (_without(luma, lost, frame), *coded)


def added(planes: tuple[Plane, ...], rgb: Map, like: Frame) -> tuple[Plane, ...]:
    """Planes of a frame like `like`, and R'G'B' (h, w, 3) of a smaller size added to them."""
    more = cv2.split(cv2.transform(rgb, _from_rgb(*_coefficients(like))))
    black, white = luma_range(like.bits, like.color.full_range)
    half, top = chroma_range(like.bits, like.color.full_range)[1], (1 << like.bits) - 1
    ranges = (np.float32(white - black), np.float32(2 * half), np.float32(2 * half))
    return tuple(
        lowered(plane, np.asarray(change, np.float32) * -scale, top)
        for plane, change, scale in zip(planes, more, ranges, strict=True)
    )


def _clipped(small: WorkingPicture, factor: float, frame: Frame) -> tuple[Map, Map | None]:
    """Give what the clipping of colours takes from luma, and what it leaves of chroma; None = all of it."""
    assert small.rgb is not None
    lost, kept = np.empty_like(small.luma), np.empty_like(small.luma)
    clip_colours(small.luma, small.rgb, np.float32(factor), _from_rgb(*_coefficients(frame)), lost, kept)
    return lost, kept if cv2.norm(small.rgb, cv2.NORM_INF) * factor > 1 else None


def _without(luma: Plane, lost: Map, frame: Frame) -> Plane:
    """Luma less what the clipping of colours takes from it, which comes at a smaller size in [0, 1]."""
    black, white = luma_range(frame.bits, frame.color.full_range)
    if cv2.norm(lost, cv2.NORM_INF) * (white - black) <= _VISIBLE:
        return luma
    return lowered(luma, lost * np.float32(white - black), (1 << frame.bits) - 1)


def _scaled(plane: Plane, factor: float, kept: Map | None, frame: Frame) -> Plane:
    """Chroma times `factor`, and times `kept`, which comes at a smaller size."""
    neutral = chroma_range(frame.bits, frame.color.full_range)[0]
    if kept is None:
        codes = (np.arange(1 << frame.bits) - neutral) * float(factor) + neutral
        table = np.clip(np.rint(codes), 0, (1 << frame.bits) - 1).astype(plane.dtype)
        return _lookup(table, plane)
    return scaled(plane, kept * np.float32(factor), neutral, (1 << frame.bits) - 1)


def _coded(values: Map, like: Frame) -> Plane:
    values += np.float32(0.5)
    return np.clip(values, 0, (1 << like.bits) - 1, out=values).astype(like.luma.dtype)


def _coefficients(frame: Frame) -> tuple[float, float]:
    return frame.color.luma_coefficients(frame.height)


def _weights(frame: Frame) -> Map:
    kr, kb = _coefficients(frame)
    return np.array([[kr, 1 - kr - kb, kb]], np.float32)


@functools.lru_cache(maxsize=8)
def _to_rgb(kr: float, kb: float) -> Map:
    """(3, 3): R', G', B' from Y' in [0, 1] and Cb, Cr in [-0.5, 0.5]."""
    red, blue, kg = 2 * (1 - kr), 2 * (1 - kb), 1 - kr - kb
    return np.array([[1, 0, red], [1, -blue * kb / kg, -red * kr / kg], [1, blue, 0]], np.float32)


@functools.lru_cache(maxsize=8)
def _from_rgb(kr: float, kb: float) -> Map:
    """(3, 3): the other way round."""
    return np.linalg.inv(_to_rgb(kr, kb))


class _Key:
    """A tone curve as a cache key: by identity, since its arrays have no hash."""

    __slots__ = ("curve",)

    def __init__(self, curve: IntensityMapping) -> None:
        self.curve = curve

    def __hash__(self) -> int:
        return hash(id(self.curve))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.curve is self.curve


@functools.lru_cache(maxsize=8)
def _luma_lut(bits: int, full_range: bool, key: _Key, to_brighter: bool) -> Plane:
    """Code value -> code value of luma."""
    black, white = luma_range(bits, full_range)
    codes = np.arange(1 << bits, dtype=np.float32)
    x = np.clip((codes - black) / (white - black), 0.0, 1.0)
    y = np.interp(x, np.linspace(0, 1, NODES), key.curve.up if to_brighter else key.curve.down)
    return np.round(black + y * (white - black)).astype(np.uint8 if bits == 8 else np.uint16)


def _lookup(table: Plane, plane: Plane) -> Plane:
    if plane.dtype == np.uint8:
        return cv2.LUT(plane, table)
    return np.take(table, plane, mode="clip")
