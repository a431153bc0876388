"""Measures of what one exposure alone knows: highlights, white in the bright one, and shadows, black in the dark one.

MEF-SSIM does not see them: it ignores the mean and the colour, and highlights are a small part of most pictures. All
are of 8-bit R'G'B', against the darkest and the brightest exposure of the scene; luma is BT.601.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Rgb

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

WINDOW = 9  # pixels a side over which contrast and means are taken
_CODES = 8  # of luma, beyond which a mean is darker or brighter than both exposures
_LOST, _KNOWN = 250, 235  # of the largest channel: an exposure has lost a place, or knows it
_NOT_BLACK = 40  # mean of the channels of the dark exposure in a highlight
_BLACK, _NOT_LOST = 12, 200  # luma of the dark exposure in a shadow is below, that of the bright one between
_COLOURED = 10  # CIELAB chroma, below which a hue says nothing
_MIN_CONTRAST = 1e-3  # of ln luma
_MIN_COUNT = 500  # pixels, below which a figure would be chance


@dataclass(frozen=True, slots=True)
class Extremes:
    """Of one fused picture; None where the scene has too little of it.

    Args:
        clipped: share of the highlights in which a channel is 255.
        highlights_contrast: median over the highlights of the standard deviation of ln luma in a window that lies
            inside them, the dark exposure's being 1.
        hue: mean distance of the CIELAB hue to the dark exposure's in the highlights, where both have one; degrees.
        saturation: mean CIELAB chroma / lightness in the highlights, the dark exposure's being 1.
        shadows_level: mean luma in the shadows, the bright exposure's being 1.
        shadows_contrast: as `highlights_contrast`, the bright exposure's being 1.
        darker, brighter: percent of the picture in which the mean luma of a window is darker (brighter) than that of
            every exposure by more than 8 code values.
    """

    clipped: float | None
    highlights_contrast: float | None
    hue: float | None
    saturation: float | None
    shadows_level: float | None
    shadows_contrast: float | None
    darker: float
    brighter: float


class ExtremesMeter:
    """Measures any number of fused pictures of one scene.

    Args:
        exposures: (H, W, 3) uint8, darkest first, two or more.

    Attributes:
        highlights: (H, W) bool, where the darkest exposure alone knows.
    """

    def __init__(self, exposures: tuple[Rgb, ...]) -> None:
        dark, bright = exposures[0], exposures[-1]
        lumas = [_luma(rgb) for rgb in exposures]
        self._dark, self._bright = lumas[0], lumas[-1]
        means = np.stack([_mean(luma) for luma in lumas])
        self._lowest, self._highest = means.min(0) - _CODES, means.max(0) + _CODES
        # The mean of three channels is compared as their sum, in integers.
        lit = dark.sum(2, dtype=np.uint16) > 3 * _NOT_BLACK
        self.highlights: Mask = (bright.max(2) >= _LOST) & (dark.max(2) < _KNOWN) & lit
        self._shadows: Mask = (self._dark < _BLACK) & (self._bright >= _BLACK) & (self._bright < _NOT_LOST)
        self._lab = _lab(dark)

    def measure(self, fused: Rgb) -> Extremes:
        """Of one picture (H, W, 3) uint8."""
        luma, mean = _luma(fused), _mean(_luma(fused))
        clipped = hue = saturation = level = None
        if (place := self.highlights).sum() >= _MIN_COUNT:
            clipped = float((fused.max(2) == 255)[place].mean())
            hue, saturation = self._colour(_lab(fused), place)
        if (shadows := self._shadows).sum() >= _MIN_COUNT:
            level = float(luma[shadows].mean() / self._bright[shadows].mean())
        return Extremes(
            clipped,
            _contrast(luma, self._dark, place),
            hue,
            saturation,
            level,
            _contrast(luma, self._bright, shadows),
            100 * float((mean < self._lowest).mean()),
            100 * float((mean > self._highest).mean()),
        )

    def _colour(self, lab: Floats, place: Mask) -> tuple[float | None, float]:
        """Distance of hue, and saturation."""
        ours, theirs = (np.hypot(x[..., 1], x[..., 2]) for x in (lab, self._lab))
        both = place & (np.minimum(ours, theirs) > _COLOURED)
        hues = [np.arctan2(x[..., 2][both], x[..., 1][both]) for x in (lab, self._lab)]
        apart = np.abs(np.mod(hues[0] - hues[1] + np.pi, 2 * np.pi) - np.pi)
        hue = float(np.degrees(apart.mean())) if len(apart) >= _MIN_COUNT else None
        saturations = [
            float((chroma[place] / np.maximum(x[..., 0][place], 1)).mean())
            for chroma, x in ((ours, lab), (theirs, self._lab))
        ]
        return hue, saturations[0] / max(saturations[1], 1e-6)


def _luma(rgb: Rgb) -> Floats:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), np.float32)


def _lab(rgb: Rgb) -> Floats:
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _mean(luma: Floats) -> Floats:
    return np.asarray(cv2.blur(luma, (WINDOW, WINDOW)), np.float32)


def _contrast(ours: Floats, theirs: Floats, place: Mask) -> float | None:
    """Median of the ratio of the local contrasts of ln luma, in windows that lie in the place as a whole."""
    inside = cv2.erode(place.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8)) > 0
    deviations = []
    for luma in (ours, theirs):
        logs = np.log(np.maximum(luma, 1).astype(np.float64))
        mean = cv2.blur(logs, (WINDOW, WINDOW))
        variance = cv2.blur(logs * logs, (WINDOW, WINDOW)) - mean * mean
        deviations.append(np.sqrt(np.maximum(variance, 0)))
    known = inside & (deviations[1] > _MIN_CONTRAST)
    if known.sum() < _MIN_COUNT:
        return None
    return float(np.median(deviations[0][known] / deviations[1][known]))
