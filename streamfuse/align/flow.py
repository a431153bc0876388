"""Motion: dense optical flow between frames of matched exposure, at a reduced working size.

A flow field F of a picture towards another one holds, for each pixel (x, y) of the first, the displacement (dx, dy) in
pixels of the working grid: what is at (x, y) there is at (x + dx, y + dy) here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from streamfuse.align.dense_search import MIN_SIDE, dense_flow
from streamfuse.core.frame import Map, Plane
from streamfuse.core.values import AlignMode, Preset
from streamfuse.imaging.photometric import IntensityMapping
from streamfuse.imaging.picture_rows import mixed_vectors, ramp, scale_vectors

_REFINEMENTS = 10  # rounds of variational refinement
# Of the search for each patch: with 8 of them and half of the rounds error grows by a twentieth.
_DESCENTS = 16
_SMALLEST = 32  # pixels of the short side down to which motion is found in a reduced picture
REACH = 40  # working pixels over which well-posed motion corrects ill-posed motion
DISAGREEMENT = 40.0  # per luma
NOISE_FLOOR = (0.02, 0.06)  # luma of the darker frame between which its detail rises out of the noise
COARSE = 2 / 3  # half the time of `fast`, and 1 dB of PSNR to the oracle; with a half it would be 2 to 4 dB
CLIPPING = (0.95, 0.99)  # luma of the brighter frame between which its detail vanishes


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """What a preset stands for.

    Args:
        long_side: of the working size, in pixels (never enlarged).
        finest_scale: motion is refined down to 1 / 2 ** finest_scale of the working size. Each step costs four times
            the time and gains 1 to 2 dB; other knobs gain nothing.
        refinements: rounds of variational refinement, see `dense_search.dense_flow`.
        descents: steps of the search for each patch.
        sides: neighbours that a missing exposure is made from: 2, or 1 = the one before if there is one.
        dominant: correct the flow by the motion of the camera, see `align.dominant`.
        cubic: interpolation of luma at full size, else bilinear. It keeps the warped frame as sharp as the reference:
            1.5 to 2 dB, and half of the flicker between instants.
    """

    long_side: int
    finest_scale: int
    cubic: bool
    refinements: int = _REFINEMENTS
    descents: int = _DESCENTS
    sides: int = 2
    dominant: bool = True

    @property
    def grid(self) -> int:
        """Working pixels per value of the flow fields: where motion is not refined to the end, half of them do."""
        return 1 if self.finest_scale == 0 else 2


SETTINGS: dict[Preset, FlowSettings] = {
    "fast": FlowSettings(480, 2, False, refinements=2, sides=1, dominant=False),
    "balanced": FlowSettings(768, 1, True, refinements=5, descents=8),
    "best": FlowSettings(960, 0, True),
}

CAREFUL: dict[Preset, FlowSettings] = SETTINGS | {
    "fast": replace(SETTINGS["fast"], finest_scale=1, descents=8)
}
"""The same where what is made is shown as it is, see `policy.AlignSettings`."""


class FlowEstimator:
    """Motion between two luma pictures of one scale of exposure, both (h, w) float32 in [0, 1]; in any thread.

    Args:
        mode: "global" = a homography; anything else is dense flow.
        finest_scale, refinements, descents: see `FlowSettings`.
        grid: pixels of the pictures per value of the flow field, 1 or 2.
    """

    def __init__(
        self,
        mode: AlignMode,
        finest_scale: int,
        refinements: int = _REFINEMENTS,
        descents: int = _DESCENTS,
        grid: int = 1,
    ) -> None:
        self._mode = mode
        self._descents = descents
        self._grid = grid
        self._finest_scale = finest_scale
        self._refinements = refinements

    def __call__(self, source: Map, target: Map) -> Map:
        """Give the flow field (h // grid, w // grid, 2) float32 of `source` towards `target`."""
        height, width = source.shape
        size = (width, height) if self._grid == 1 else halved_size(width, height)
        if self._mode == "global":
            return rescaled(_global_motion(to_bytes(source), to_bytes(target)), size)
        if min(source.shape) < MIN_SIDE:
            return np.zeros((size[1], size[0], 2), np.float32)
        # Where motion is not refined to the end, the search is shown what it would halve: there is less to enlarge.
        reduced = width >> self._finest_scale, height >> self._finest_scale
        if self._finest_scale and min(reduced) >= _SMALLEST:
            source, target = (
                cv2.resize(luma, reduced, interpolation=cv2.INTER_AREA) for luma in (source, target)
            )
        codes = np.float32(255)
        flow = dense_flow(source * codes, target * codes, self._refinements, self._descents)
        return rescaled(flow, size)


def to_bytes(luma: Map) -> Plane:
    """[0, 1] float32 as uint8."""
    return cv2.convertScaleAbs(luma, alpha=255.0)


def working_size(width: int, height: int, preset: Preset, coarse: bool = False) -> tuple[int, int]:
    """(width, height) at which motion is estimated; `coarse`: at `COARSE` of what the preset stands for."""
    scale = min(1.0, SETTINGS[preset].long_side * (COARSE if coarse else 1.0) / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def halved_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the half of a picture."""
    return max(1, width // 2), max(1, height // 2)


def halved(picture: Map) -> Map:
    """Give a picture at half its size, by means of areas."""
    size = halved_size(picture.shape[1], picture.shape[0])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def rescaled(flow: Map, size: tuple[int, int]) -> Map:
    """Give a flow field on another grid of `size` (width, height), in pixels of that grid."""
    if (flow.shape[1], flow.shape[0]) == size:
        return flow
    how = cv2.INTER_AREA if size[0] < flow.shape[1] else cv2.INTER_LINEAR
    resized = cv2.resize(flow, size, interpolation=how)
    scale_vectors(resized, np.float32(size[0] / flow.shape[1]), np.float32(size[1] / flow.shape[0]))
    return np.asarray(resized, np.float32)


def halfway(flow: Map, fraction: float) -> tuple[Map, Map]:
    """Motion seen from an instant between two pictures, if it is even in time.

    Args:
        flow: of the earlier picture towards the later one.
        fraction: where the instant lies, 0 = at the earlier one, 1 = at the later one.

    Returns:
        The flow fields of the instant towards the earlier and towards the later picture.
    """
    seen = flow
    for _ in range(2):  # fixed point of seen(x) = flow(x - fraction * seen(x))
        seen = warp(flow, -fraction * seen)
    return -fraction * seen, (1.0 - fraction) * seen


def usable(bright_scale: Map, curve: IntensityMapping, grid: int = 1) -> Map:
    """Tell where a picture can be matched with the other exposure: 0 = noise or clipped in one of them, 1 = usable.

    Args:
        bright_scale: the picture in the scale of the brighter exposure, (h, w) float32.
        curve: between the two exposures.
        grid: working pixels per pixel of it.
    """
    low, high = (float(level) for level in curve.brighten(np.array(NOISE_FLOOR, np.float32)))
    above, below = ramp(bright_scale, low, max(high, low + 1e-3)), ramp(bright_scale, *reversed(CLIPPING))
    return ramp(cv2.blur(cv2.min(above, below), _window(15, grid)), 0.1, 0.5)


def _window(pixels: int, grid: int) -> tuple[int, int]:
    """Give a window of so many working pixels, an odd number."""
    side = pixels // grid | 1
    return side, side


def disagreement(lumas: tuple[Map, Map], flows: Sequence[Map], grid: int = 1) -> Map:
    """Tell how differently two frames of one exposure show what is at each pixel: 0 where both flow fields are right.

    It finds what `usable` cannot see: detail that is clipped in the reference, and repeated structure.

    Args:
        lumas: the two frames, (h, w) float32 in their own scale.
        flows: of the reference towards each.
        grid: working pixels per pixel of them.
    """
    return cv2.blur(cv2.absdiff(warp(lumas[0], flows[0]), warp(lumas[1], flows[1])), _window(9, grid))


def combined(
    across: Sequence[Map],
    along: Sequence[Map],
    share: Map,
    lumas: tuple[Map, Map] | None = None,
    grid: int = 1,
) -> list[Map]:
    """Flow fields that follow `across` where that is well posed, and `along` elsewhere.

    `along` knows even motion only. How far the motion nearby is from even (a shake of the hand) corrects it, unless
    the two frames then agree less.

    Args:
        across: the flow of the reference towards one or two frames, matched across exposures.
        along: the same from frames of one exposure.
        share: of `across`, see `usable`, (h, w).
        lumas: of the two frames, where there are two, (h, w) in their own scale.
        grid: working pixels per pixel of all these.
    """
    if lumas is not None:
        corrected = [b + _spread(a - b, share, grid) for a, b in zip(across, along, strict=True)]
        even = disagreement(lumas, along, grid)
        worse, corrected_worse = (disagreement(lumas, flows, grid) - even for flows in (across, corrected))
        share = cv2.multiply(share, ramp(worse, 2 / DISAGREEMENT, 1 / DISAGREEMENT))
        better = ramp(corrected_worse, 1 / DISAGREEMENT, 0.0)
        along = [mixed(c, b, better) for b, c in zip(along, corrected, strict=True)]
    return [mixed(a, b, share) for a, b in zip(across, along, strict=True)]


def mixed(first: Map, second: Map, share: Map) -> Map:
    """share x first + (1 - share) x second: flow fields (h, w, 2), share (h, w)."""
    out = np.empty_like(first)
    mixed_vectors(first, second, share, out)
    return out


def _spread(field: Map, share: Map, grid: int) -> Map:
    """Give the mean of `field` (h, w, 2) nearby, weighted by `share`; 0 where there is nothing nearby."""
    height, width = share.shape
    size = (max(1, width * grid // 8), max(1, height * grid // 8))
    weighted = cv2.merge([*cv2.split(field * share[..., None]), share])
    small = cv2.GaussianBlur(cv2.resize(weighted, size, interpolation=cv2.INTER_AREA), (0, 0), REACH / 8)
    mean = small[..., :2] / (small[..., 2:] + np.float32(0.02))
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def warp(picture: Map, flow: Map, interpolation: int = cv2.INTER_LINEAR) -> Map:
    """`picture` seen from where `flow` starts; beyond its border the nearest pixel is repeated."""
    how = interpolation | cv2.WARP_RELATIVE_MAP
    return np.asarray(cv2.remap(picture, flow, None, how, borderMode=cv2.BORDER_REPLICATE), np.float32)


_GRIDS: dict[tuple[int, int], Map] = {}
_KEEPING = threading.Lock()


def coordinates(height: int, width: int) -> Map:
    """(x, y) of each pixel, (height, width, 2); kept for the few sizes that were used last."""
    with _KEEPING:
        grid = _GRIDS.pop((height, width), None)
    if grid is None:
        x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        grid = np.dstack(np.meshgrid(x, y))
    with _KEEPING:
        _GRIDS[height, width] = grid
        # Boxes that are looked at again have sizes of their own, and must not drive out those of whole pictures.
        if len(_GRIDS) > 8:
            del _GRIDS[next(iter(_GRIDS))]
    return grid


def _global_motion(source: Plane, target: Plane) -> Map:
    """Give a homography by ECC on a thumbnail, as a flow field; no motion where ECC does not converge."""
    height, width = source.shape
    scale = min(1.0, 320.0 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small_source = cv2.resize(source, size, interpolation=cv2.INTER_AREA)
    small_target = cv2.resize(target, size, interpolation=cv2.INTER_AREA)
    homography = np.eye(3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    try:
        shift, _ = cv2.phaseCorrelate(np.float32(small_source), np.float32(small_target))
        homography[:2, 2] = shift
        _, homography = cv2.findTransformECC(
            small_source, small_target, homography, cv2.MOTION_HOMOGRAPHY, criteria, None, 5
        )
    except cv2.error:
        homography = np.eye(3, dtype=np.float32)
    up = np.diag([width / size[0], height / size[1], 1.0])
    full = up @ homography @ np.linalg.inv(up)
    grid = coordinates(height, width)
    moved = cv2.perspectiveTransform(grid.reshape(-1, 1, 2), full).reshape(height, width, 2)
    return np.asarray(moved - grid, np.float32)
