"""Photometry: bring frames of different exposures to one scale.

The model of a camera or codec is linear light = normalised luma ** 2.2, so that an exposure ratio of `gap_ev` EV is a
factor 2 ** (gap_ev / 2.2) on luma *and* on chroma, until the brighter one clips. Where a factor does not explain the
two histograms (tone curves of real cameras), their quantiles give a monotone curve instead: no alignment is needed for
either, because frames that follow each other show nearly the same scene.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.frame import Frame, Map, Plane, chroma_range, luma_range

GAMMA = 2.2
NODES = 1024  # of a tone curve over [0, 1]
Levels = npt.NDArray[np.float64]

_DARK = 0.03  # below this luma a frame is noise and quantisation
_BRIGHT = 0.96  # above this luma a frame may be clipped
_MIN_SHARE = 0.06  # of the quantiles must be usable in both frames for a ratio to be measured
_MAX_RESIDUAL = 0.025  # mean deviation in luma up to which one ratio explains the histograms
_NOISE = 1.5e-3  # two sigma of a dark frame at working size, in linear light
_QUANTISATION = 0.004  # one code value of 8 bit
_LEAST = 1 / 255  # luma that is not nothing
_QUANTILES = np.linspace(0.004, 0.996, 249)


@dataclass(frozen=True, slots=True)
class ToneCurve:
    """How luma of a darker frame maps to luma of a brighter one, and back.

    Args:
        up: `NODES` float32 values in [0, 1], dark luma i / (NODES - 1) in the brighter frame's scale; monotone.
        down: the same from bright to dark; what is clipped in the brighter frame maps to the value at which it clips.
        gap_ev: exposure difference in EV, >= 0; a rough figure where `exact` is False.
        exact: a plain ratio, known or measured; False = a curve from quantiles.
    """

    up: Map
    down: Map
    gap_ev: float
    exact: bool

    def brighten(self, luma: Map) -> Map:
        """Normalised luma (h, w) float32 of the darker frame, in the brighter frame's scale."""
        return _apply(self.up, luma)

    def darken(self, luma: Map) -> Map:
        """Normalised luma (h, w) float32 of the brighter frame, in the darker frame's scale."""
        return _apply(self.down, luma)

    def bounds(self, luma: Map) -> tuple[Map, Map]:
        """What luma (h, w) of the darker frame may be in the brighter frame's scale: (lowest, highest).

        The darker frame's noise, nearly constant in linear light, makes this wide in the shadows.
        """
        x = np.linspace(0.0, 1.0, NODES) ** GAMMA
        low = np.maximum(x - _NOISE, 0.0) ** (1 / GAMMA) - _QUANTISATION
        high = (x + _NOISE) ** (1 / GAMMA) + _QUANTISATION
        nodes = np.linspace(0.0, 1.0, NODES)
        lower = np.where(low <= 0.0, 0.0, np.interp(low, nodes, self.up)).astype(np.float32)
        upper = np.interp(high, nodes, self.up).astype(np.float32)
        return _apply(lower, luma), _apply(upper, luma)


def normalised_luma(frame: Frame, size: tuple[int, int]) -> Map:
    """Luma of a frame reduced to `size` (width, height): float32, black = 0 and white = 1, clipped to that."""
    black, white = luma_range(frame.bits, frame.color.full_range)
    luma = frame.luma
    if size != (frame.width, frame.height):
        luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    scaled = luma.astype(np.float32)
    scaled -= black
    scaled *= 1.0 / (white - black)
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def ratio_curve(gap_ev: float) -> ToneCurve:
    """The curve of a known exposure difference."""
    x = np.linspace(0.0, 1.0, NODES, dtype=np.float32)
    factor = np.float32(2.0 ** (gap_ev / GAMMA))
    return ToneCurve(np.minimum(x * factor, 1.0), x / factor, gap_ev, True)


def estimate_curve(dark: list[Map], bright: list[Map]) -> ToneCurve:
    """The curve between two exposures from the histograms of a few frames of each.

    Args:
        dark: normalised luma pictures of the darker exposure, at least one.
        bright: the same of the brighter exposure.
    """
    d, b = _quantiles(dark), _quantiles(bright)
    usable = (d > _DARK) & (b < _BRIGHT)
    if usable.mean() >= _MIN_SHARE:
        factor = max(float(np.median(b[usable] / d[usable])), 1.0)
        residual = float(np.abs(d[usable] * factor - b[usable]).mean())
        gap = GAMMA * float(np.log2(factor))
        if residual < _MAX_RESIDUAL:
            return ratio_curve(gap)
        return _quantile_curve(d, b, gap)
    return _quantile_curve(d, b, _rough_gap(d, b))


def known_gap(dark: Frame, bright: Frame) -> float | None:
    """Exposure difference in EV from the metadata of both frames, where there is any."""
    if dark.exposure is None or bright.exposure is None:
        return None
    low, high = dark.exposure.ev, bright.exposure.ev
    return None if low is None or high is None or high <= low else high - low


def channels(frame: Frame, size: tuple[int, int]) -> Map:
    """R'G'B' of a frame reduced to `size` (width, height): (h, w, 3) float32 in [0, 1]; (h, w, 1) of a grey frame."""
    luma = normalised_luma(frame, size)
    if len(frame.planes) == 1:
        return luma[..., None]
    neutral, half = chroma_range(frame.bits, frame.color.full_range)
    cb, cr = (
        cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR).astype(np.float32) for plane in frame.planes[1:]
    )
    picture = cv2.merge([luma, (cb - neutral) * np.float32(0.5 / half), (cr - neutral) * np.float32(0.5 / half)])
    return np.clip(cv2.transform(picture, _to_rgb(*_coefficients(frame))), 0.0, 1.0)


def brightened(frame: Frame, size: tuple[int, int], curve: ToneCurve) -> Map:
    """Luma (h, w) of a darker frame in the scale of a brighter one, where a sensor clips: in R, G and B.

    The luma of a saturated colour stays below what a curve on luma alone would give.
    """
    rgb = channels(frame, size)
    if rgb.shape[2] == 1:
        return curve.brighten(rgb[..., 0])
    kr, kb = _coefficients(frame)
    return np.asarray(cv2.transform(curve.brighten(rgb), np.array([[kr, 1 - kr - kb, kb]], np.float32)), np.float32)


def map_planes(frame: Frame, curve: ToneCurve, to_brighter: bool) -> tuple[Plane, ...]:
    """All planes of a frame in the scale of another exposure, same dtype and sizes.

    The curve acts on R', G' and B', as the sensor's clipping does; what that takes from the luma is found at the size
    of the chroma planes.
    """
    full = frame.color.full_range
    black, white = luma_range(frame.bits, full)
    luma = _lookup(_luma_lut(frame.bits, full, _Key(curve), to_brighter), frame.luma)
    if len(frame.planes) == 1:
        return (luma,)
    apply = curve.brighten if to_brighter else curve.darken
    kr, kb = _coefficients(frame)
    rows, columns = frame.planes[1].shape
    rgb = channels(frame, (columns, rows))
    mapped = cv2.transform(apply(rgb), np.linalg.inv(_to_rgb(kr, kb)))
    plain = apply(np.clip(cv2.transform(rgb, np.array([[kr, 1 - kr - kb, kb]], np.float32)), 0.0, 1.0))
    lost = (plain - mapped[..., 0]) * np.float32(white - black)
    if np.abs(lost).max() > 0.25:
        luma = _less(luma, lost, frame.bits)
    neutral, half = chroma_range(frame.bits, full)
    chroma = [_coded(mapped[..., n] * np.float32(2 * half) + neutral, luma.dtype, frame.bits) for n in (1, 2)]
    return (luma, *chroma)


def _less(luma: Plane, lost: Map, bits: int) -> Plane:
    whole = cv2.resize(lost, (luma.shape[1], luma.shape[0]), interpolation=cv2.INTER_LINEAR)
    return _coded(luma - whole, luma.dtype, bits)


def _coded(values: Map, dtype: npt.DTypeLike, bits: int) -> Plane:
    return np.clip(values + np.float32(0.5), 0, (1 << bits) - 1).astype(dtype)


def _coefficients(frame: Frame) -> tuple[float, float]:
    return frame.color.luma_coefficients(frame.height)


@functools.lru_cache(maxsize=8)
def _to_rgb(kr: float, kb: float) -> Map:
    """(3, 3): R', G', B' from Y' in [0, 1] and Cb, Cr in [-0.5, 0.5]."""
    red, blue = 2 * (1 - kr), 2 * (1 - kb)
    green = 1 - kr - kb
    return np.array([[1, 0, red], [1, -blue * kb / green, -red * kr / green], [1, blue, 0]], np.float32)


class _Key:
    """A tone curve as a cache key: by identity, since its arrays have no hash."""

    __slots__ = ("curve",)

    def __init__(self, curve: ToneCurve) -> None:
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


def _apply(table: Map, luma: Map) -> Map:
    return np.take(table, (luma * np.float32(NODES - 1) + np.float32(0.5)).astype(np.uint16), mode="clip")


def _quantiles(pictures: list[Map]) -> Map:
    histogram = np.zeros(NODES)
    for picture in pictures:
        histogram += cv2.calcHist([picture], [0], None, [NODES], [0.0, 1.0 + 1e-6]).ravel()
    # A code value stands for all that is rounded to it: half of its share lies below. Bins between codes are empty.
    bins = np.flatnonzero(histogram)
    share = (np.cumsum(histogram) - histogram / 2)[bins] / histogram.sum()
    return np.interp(_QUANTILES, share, (bins + 0.5) / NODES).astype(np.float32)


def _quantile_curve(d: Map, b: Map, gap: float) -> ToneCurve:
    x = np.linspace(0.0, 1.0, NODES, dtype=np.float32)
    up = np.maximum.accumulate(np.interp(x, *_knots(d, b))).astype(np.float32)
    down = np.maximum.accumulate(np.interp(x, *_knots(b, d))).astype(np.float32)
    return ToneCurve(up, down, gap, False)


def _knots(x: Map, y: Map) -> tuple[Levels, Levels]:
    """Knots of a monotone curve through quantile pairs: the mean y at each distinct x, from (0, 0) on and up to 1."""
    bins, index = np.unique(np.round(x * (NODES - 1)), return_inverse=True)
    places = bins.astype(np.float64) / (NODES - 1)
    values = np.bincount(index, y) / np.bincount(index)
    if places[0] > 0:
        places, values = np.insert(places, 0, 0.0), np.insert(values, 0, 0.0)
    if places[-1] < 1:
        places, values = np.append(places, 1.0), np.append(values, max(values[-1], y[-1]))
    return places, np.maximum.accumulate(values)


def _rough_gap(d: Map, b: Map) -> float:
    """Where hardly a pixel is usable in both: the dark level at the quantile where the bright frame clips."""
    at = min(int(np.searchsorted(b, _BRIGHT)), len(b) - 1)
    return max(GAMMA * float(np.log2(max(float(b[at]), _LEAST) / max(float(d[at]), _LEAST))), 0.0)
