"""Ghosts: how far a warped frame can be believed, pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np

from streamfuse.align.photometric import ToneCurve
from streamfuse.frame import Map

_CURVE_ERROR = 0.012  # luma by which a ratio may be off: tone curve, compression
_ROUGH_CURVE_ERROR = 0.04  # the same of a curve from quantiles
_SHADING = 0.02  # share of luma by which exposures may differ (flicker of lamps, vignetting that moves)
_MISALIGNMENT = 0.35  # pixels by which a good flow field may be off
_WINDOW = 5  # pixels over which deviations are pooled


def deviation(dark: Map, bright: Map, curve: ToneCurve) -> Map:
    """Disagreement of two exposures of one instant; up to 1 it is explained; (h, w) float32.

    A luma of the darker exposure stands for an interval in the brighter one's scale, wide where it lies in the noise:
    disagreement is the distance to that interval, in units of what a slightly wrong curve and a slightly wrong flow
    field explain. Both clipped is agreement; so is anything dim against a black that shows nothing.

    Args:
        dark: luma of the darker exposure, (h, w) float32 in [0, 1].
        bright: luma of the brighter one.
        curve: between the two.
    """
    lower, upper = curve.bounds(dark)
    outside = np.maximum(lower - bright, bright - upper)
    np.maximum(outside, 0.0, out=outside)
    return cv2.blur(outside, (_WINDOW, _WINDOW)) / _tolerance(bright, curve)


def _tolerance(bright: Map, curve: ToneCurve) -> Map:
    horizontal = cv2.Sobel(bright, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    vertical = cv2.Sobel(bright, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    tolerance = cv2.blur(np.abs(horizontal) + np.abs(vertical), (_WINDOW, _WINDOW))
    tolerance *= _MISALIGNMENT
    tolerance += bright * np.float32(_SHADING)
    tolerance += _CURVE_ERROR if curve.exact else _ROUGH_CURVE_ERROR
    return tolerance


def trust_map(deviation_map: Map) -> Map:
    """Soft trust in [0, 1]: 1 up to 1.5 times the tolerance, 0 from 3.5 times on, without seams."""
    worst = cv2.dilate(deviation_map, np.ones((3, 3), np.uint8))
    trust = np.clip((3.5 - worst) * np.float32(0.5), 0.0, 1.0)
    return cv2.GaussianBlur(trust, (0, 0), 1.5)


def side_weights(before: Map, after: Map, brighter: bool) -> tuple[Map, Map]:
    """Weights (sum 1) of the two sides from their deviations: even where both agree, the better one elsewhere."""
    import os
    bias = float(os.environ.get('BB' if brighter else 'BD','1'))
    fl = float(os.environ.get('FB' if brighter else 'FD','0.7'))
    b, a = (1.0 / (np.float32(0.05) + np.square(np.square(np.maximum(d, fl)))) for d in (before, after))
    b=b*bias
    weight = cv2.GaussianBlur(b / (a + b), (0, 0), 1.0)
    return weight, np.float32(1.0) - weight
