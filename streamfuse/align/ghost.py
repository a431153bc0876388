"""Ghosts: how far a warped frame can be believed, pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np

from streamfuse.align.photometric import ToneCurve
from streamfuse.frame import Map

_READ_NOISE = 0.004  # sigma of luma in the darker frame: quantisation and sensor, after the reduction in size
_SHOT_NOISE = 0.012  # additional sigma per unit of luma in the brighter frame's scale: tone curve, compression
_MISALIGNMENT = 0.35  # pixels by which a good flow field may be off
_WINDOW = 5  # pixels over which deviations are pooled


def deviation(reference: Map, warped: Map, noise: Map) -> Map:
    """Disagreement in units of what noise and small misalignment explain: below 1 is agreement; (h, w) float32.

    Args:
        reference: luma in the scale of the brighter exposure, (h, w) float32 in [0, 1].
        warped: the other exposure, warped to the reference, in the same scale. Where both are clipped they agree.
        noise: from `tolerance`.
    """
    difference = cv2.absdiff(reference, warped)
    return cv2.blur(difference, (_WINDOW, _WINDOW)) / noise


def tolerance(reference: Map, curve: ToneCurve, dark_luma: Map) -> Map:
    """The deviation in luma that is no ghost, (h, w) float32.

    Args:
        reference: luma in the scale of the brighter exposure.
        curve: between the two exposures: it amplifies the noise of the darker one.
        dark_luma: the reference in the scale of the darker exposure.
    """
    horizontal = cv2.Sobel(reference, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    vertical = cv2.Sobel(reference, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    gradient = cv2.blur(np.abs(horizontal) + np.abs(vertical), (_WINDOW, _WINDOW))
    noise = curve.slope(dark_luma) * np.float32(_READ_NOISE)
    return noise + reference * np.float32(_SHOT_NOISE) + gradient * np.float32(_MISALIGNMENT) + np.float32(0.01)


def trust_map(deviation_map: Map) -> Map:
    """Soft trust in [0, 1]: 1 up to 1.5 times the tolerance, 0 from 3.5 times on, without seams."""
    worst = cv2.dilate(deviation_map, np.ones((3, 3), np.uint8))
    trust = np.clip((3.5 - worst) * np.float32(0.5), 0.0, 1.0)
    return cv2.GaussianBlur(trust, (0, 0), 1.5)


def side_weights(before: Map, after: Map) -> tuple[Map, Map]:
    """Weights (sum 1) of the two sides from their deviations: even where both agree, the better one elsewhere."""
    b, a = (1.0 / (np.float32(0.05) + np.square(np.square(np.maximum(d, 0.7)))) for d in (before, after))
    weight = cv2.GaussianBlur(b / (a + b), (0, 0), 1.0)
    return weight, np.float32(1.0) - weight
