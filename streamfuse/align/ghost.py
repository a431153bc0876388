"""Ghosts: how far a warped frame can be believed, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfuse.align.ghost_rows import noise_share, outside_of, over_tolerance, slopes, weigh_sides
from streamfuse.core.frame import Map
from streamfuse.imaging.photometric import IntensityMapping
from streamfuse.imaging.picture_rows import ramp
from streamfuse.imaging.planes import WorkingPicture

CURVE_ERROR = 0.012  # luma by which a ratio may be off: tone curve, compression
ROUGH_CURVE_ERROR = 0.04  # the same of a curve from quantiles
SHADING = 0.02  # share of luma by which exposures may differ (flicker of lamps, vignetting that moves)
MISALIGNMENT = 0.35  # pixels by which a good flow field may be off
WINDOW = 5  # pixels over which deviations are pooled
_QUIET = 0.5  # share of the pixels that are taken to be well aligned
NOISE_SEEN = (0.15, 0.9)  # luma of a dark reference, brightened, between which its noise can be measured
MIN_COUNT = 50  # pixels for that
MIN_NOISE, USUAL_NOISE, MAX_NOISE = 0.05, 1.0, 8.0  # variance / square of `IntensityMapping.noise`
ROUNDING = 0.006  # luma: least error of a reference that was brightened: its code values, the curve
APART = (0.08, 0.16)  # luma by which two sides differ from where on one is preferred, and taken alone
# The same in their own scale, where the brighter exposure is clipped and cannot tell: an arm before a sky. An edge that
# is followed a little wrongly is narrow, and the mean of both is the better guess there.
APART_UNSEEN = (0.1, 0.2)
WIDE = 15  # pixels over which a difference is pooled, so that such an edge is none
REGION = 81  # pixels over which one side is chosen, so that things stay whole
MAX_DEVIATION = 6.0  # more tells no more against a side
DECISIVE = 0.03  # by which the mean deviations differ where one side is chosen for sure
CLIPPED, SHADOW = 0.97, 0.35  # R'G'B' and luma of a bright reference


def deviation(dark: Map, bright: Map, curve: IntensityMapping) -> Map:
    """Disagreement of two exposures of one instant; up to 1 it is explained; (h, w) float32.

    A luma of the darker exposure stands for an interval in the brighter one's scale, wide where it lies in the noise:
    disagreement is the distance to that interval, in units of what a slightly wrong curve and a slightly wrong flow
    field explain. Both clipped is agreement; so is anything dim against a black that shows nothing.

    Args:
        dark: luma of the darker exposure, brightened; (h, w) float32 in [0, 1].
        bright: luma of the brighter one.
        curve: between the two.
    """
    out = np.empty_like(bright)
    outside_of(dark, bright, *curve.bounds(), out)
    outside = cv2.blur(out, (WINDOW, WINDOW))
    slopes(cv2.copyMakeBorder(bright, 1, 1, 1, 1, cv2.BORDER_REFLECT_101), out)
    slope = cv2.blur(out, (WINDOW, WINDOW))
    least = ROUGH_CURVE_ERROR if curve.rough else CURVE_ERROR
    over_tolerance(
        outside, slope, bright, np.float32(MISALIGNMENT), np.float32(SHADING), np.float32(least), out
    )
    return out


def squared_error(one: Map, other: Map) -> Map:
    """Mean squared difference of two pictures around each pixel, (h, w) float32."""
    difference = cv2.subtract(one, other)
    return cv2.blur(cv2.multiply(difference, difference), (WINDOW, WINDOW))


def trust_map(deviations: Sequence[Map]) -> Map:
    """Trust in [0, 1] without seams, from the deviations of one or two sides: what either side gets right counts.

    It is 1 up to 1.5 times the tolerance and 0 from 3.5 times on.
    """
    worst = cv2.dilate(_least(deviations), np.ones((3, 3), np.uint8))
    return np.asarray(cv2.GaussianBlur(ramp(worst, 3.5, 1.5), (0, 0), 1.5), np.float32)


def _least(maps: Sequence[Map]) -> Map:
    """Give the smaller of one or two maps, pixel by pixel."""
    return maps[0] if len(maps) == 1 else np.asarray(cv2.min(maps[0], maps[1]), np.float32)


def side_weights(before: Map, after: Map, apart: Map | None = None, own: Map | None = None) -> Map:
    """Weight of the side before (the other one has the rest): even where both agree, else to the better one.

    Where the two show different things and the reference cannot tell which is right, a mean would show both, half
    transparent. One of them is taken alone there: the one that lies less off the reference in the region, else the
    side before.

    Args:
        before, after: deviations from the reference, (h, w).
        apart: difference of the two sides, (h, w) luma in the brighter exposure's scale.
        own: the same in their own scale: what is clipped in the brighter one shows there.
    """
    weight = np.empty_like(before)
    alone = np.zeros_like(before) if apart is None else ramp(apart, *APART)
    weigh_sides(before, after, alone, weight)
    if own is not None:
        one = ramp(cv2.blur(own, (WIDE, WIDE)), *APART_UNSEEN)
        further = np.minimum(after, MAX_DEVIATION) - np.minimum(before, MAX_DEVIATION)
        region = cv2.blur(further * one, (REGION, REGION))
        weight += one * (ramp(region, -DECISIVE, 0.0) - weight)
    return np.asarray(cv2.GaussianBlur(weight, (0, 0), 1.0), np.float32)


def apart(one: Map, other: Map) -> Map:
    """Tell how differently two sides show each place, (h, w), as `side_weights` takes it."""
    return np.asarray(cv2.blur(cv2.absdiff(one, other), (WINDOW, WINDOW)), np.float32)


def brighter_share(raised: Map, errors: Sequence[Map], curve: IntensityMapping, zoom: float) -> Map:
    """Share of brighter neighbours, warped, against the dark reference, brightened: by the errors of both (Wiener).

    What the two differ by is the noise of the reference plus the error of warping. The noise level is taken where
    they differ least, so that it needs no knowledge of the camera.

    Args:
        raised: luma of the reference, brightened, (h, w).
        errors: of one or two sides, see `squared_error`.
        curve: between the two exposures.
        zoom: size of the frame / size of these maps; reducing a frame has lowered its noise.

    Returns:
        (h, w) float32 in [0, 1].
    """
    level, least = np.float32(noise_level(raised, errors, curve)), np.float32(ROUNDING**2)
    share = np.empty_like(raised)
    noise_share(raised, _least(errors), curve.noise_table(), level, least, np.float32(zoom), share)
    return share


def noise_level(raised: Map, errors: Sequence[Map], curve: IntensityMapping) -> float:
    """Variance of the noise of a dark reference / square of `IntensityMapping.noise`; arguments as of `brighter_share`.

    From a sparse grid of pixels that are neither black nor clipped.
    """
    grid = slice(WINDOW // 2, None, WINDOW)
    raised, *sides = (m[grid, grid] for m in (raised, *errors))
    error, shape = np.minimum.reduce(sides), np.square(curve.noise(raised))
    telling = (raised > NOISE_SEEN[0]) & (raised < NOISE_SEEN[1])
    if np.count_nonzero(telling) < MIN_COUNT:
        return USUAL_NOISE
    level = float(np.quantile(error[telling] / shape[telling], _QUIET))
    return min(max(level, MIN_NOISE), MAX_NOISE)


def darker_share(reference: WorkingPicture) -> Map:
    """Share of darker neighbours, warped, against the bright reference, darkened: all where the reference is clipped.

    In deep shadows too, where the noise of a dark frame lifts its mean: without it fused frames flicker with the
    alternation.

    Args:
        reference: at working size.

    Returns:
        (h, w) float32 in [0, 1].
    """
    unclipped = (CLIPPED - reference.peak) * np.float32(15.0)
    lit = (reference.luma - np.float32(SHADOW)) * np.float32(5.0)
    usable = np.clip(cv2.min(unclipped, lit), 0.0, 1.0)
    return 1.0 - cv2.blur(cv2.erode(usable, np.ones((3, 3), np.uint8)), (3, 3))
