"""What turns the code values of a film's exposures into radiance: their transfer function and how far they are apart.

Both are found in the aligned exposures of each instant, and kept over time, since what jumps from instant to instant
makes the picture breathe. The transfer function is the one that most instants told so far. The gap between two
exposures is the median over the last `WINDOW` instants of the ratio of linear light, over R', G' and B' that the
brighter one shows within its range; as long as too few do, it is the rough figure of their histograms. Metadata that
tell the exposures are believed instead.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from streamfuse.core.color import planes_to_rgb
from streamfuse.core.frame import AlignedBracket, ColorInfo, Map, Neighbours, Plane
from streamfuse.fusion.luma import normalise
from streamfuse.imaging import photometric
from streamfuse.imaging.photometric import PLAIN, Transfer

GAMMA_22 = 4  # of H.273: footage that says so is believed
GREY_CARD = 0.18  # of diffuse white
WHITE_STEP = 0.25  # EV: the place of white that is found is rounded to it
_DARKEST = 2.0**-14  # what is darker counts as this
WINDOW = 15  # instants whose gaps count
_STRIDES = (
    (250_000, 2),
    (1_000_000, 4),
)  # of the pixels that are looked at, across and down, by how many there are
_LARGE_STRIDE = 8
# A channel tells where the brighter exposure shows it in this range. The darker one must not choose: at a wide gap its
# noise is as large as what it shows, and what the noise has raised would be taken for light.
_DIM, _CLIPPED = 0.3, 0.95
_MIN_VALUES, _MOST_VALUES = 60, 6000  # that have to tell, and that are asked
_ROUNDS = 4  # of leaving out what the ratio found so far does not explain: things that moved, or clip
_FAR = 3.0  # times the median deviation: what lies farther away is left out
_MAX_SPREAD = 0.7  # median deviation as a share of the light: more, and they are different things
_TELLING_EV = (
    6.0  # between exposures: farther apart, what both show is so dark in one that its noise looks like a toe
)
_MIN_RATIO = 2.0**-12  # below it the darker exposure shows nothing but its noise


class ExposureScale:
    """Follows the exposures of a film; called once for each instant, in order."""

    def __init__(self) -> None:
        self._votes: Counter[Transfer] = Counter()
        self._steps: dict[int, deque[float]] = {}
        self._rough: dict[int, deque[float]] = {}

    def __call__(self, aligned: AlignedBracket) -> tuple[Transfer, tuple[float, ...]]:
        """The transfer function, and the exposure of each rank relative to the darkest one in EV.

        A bracket without partners tells nothing, and has all exposures at 0 EV.
        """
        bracket = aligned.bracket
        if bracket.alone:
            return self.transfer, (0.0,) * bracket.cycle
        frame = bracket.reference
        lumas = sampled(aligned.exposures, frame.bits, frame.color)
        curves = [photometric.estimate_curve([dark], [bright]) for dark, bright in pairwise(lumas)]
        if frame.color.transfer == GAMMA_22:
            self._votes[PLAIN] += bracket.cycle  # more than all others can have
        told = (curve.transfer for curve in curves if curve.gap_ev < _TELLING_EV)
        self._votes.update(transfer for transfer in told if transfer is not None)
        known = _known(aligned)
        if known is not None:
            return self.transfer, tuple(ev - known[0] for ev in known)
        gaps = [0.0]
        colours = sampled_colours(aligned.exposures, frame.bits, frame.color)
        for rank, ((dark, bright), curve) in enumerate(zip(pairwise(colours), curves, strict=True)):
            step = measured_step(dark, bright, self.transfer)
            # A rough figure counts as long as none has been measured.
            kept = self._rough if step is None else self._steps
            kept.setdefault(rank, deque(maxlen=WINDOW)).append(curve.gap_ev if step is None else step)
            gaps.append(gaps[-1] + float(np.median(self._steps.get(rank) or self._rough[rank])))
        return self.transfer, tuple(gaps)

    @property
    def transfer(self) -> Transfer:
        """What most instants told so far; of equals the one that was told first."""
        return max(self._votes, key=lambda one: self._votes[one], default=PLAIN)


def sampled(exposures: Sequence[tuple[Plane, ...]], bits: int, color: ColorInfo) -> list[Map]:
    """Luma of every second to eighth pixel of each exposure, across and down, in [0, 1]."""
    step = _stride(exposures)
    return [normalise(np.ascontiguousarray(planes[0][::step, ::step]), bits, color) for planes in exposures]


def sampled_colours(exposures: Sequence[tuple[Plane, ...]], bits: int, color: ColorInfo) -> list[Map]:
    """R'G'B' (h, w, 3) float32 in [0, 1] of the same pixels, with the chroma sample that lies nearest."""
    step, found = _stride(exposures), []
    for luma, *chroma in exposures:
        rows, columns = np.ix_(*(np.arange(0, size, step) for size in luma.shape))
        planes = [luma[rows, columns]]
        for plane in chroma:
            down, across = (int(fine > coarse) for fine, coarse in zip(luma.shape, plane.shape, strict=True))
            planes.append(plane[rows >> down, columns >> across])
        wide = tuple(plane.astype(np.uint16) << np.uint16(16 - bits) for plane in planes)
        found.append(planes_to_rgb(wide, 16, (0, 0), color).astype(np.float32) / np.float32(65535))
    return found


def _stride(exposures: Sequence[tuple[Plane, ...]]) -> int:
    pixels = exposures[0][0].size
    return next((stride for most, stride in _STRIDES if pixels < most), _LARGE_STRIDE)


def measured_step(dark: Map, bright: Map, transfer: Transfer) -> float | None:
    """EV from a darker exposure to a brighter one of the same instant; None where too little shows both.

    It is the slope of the line through 0 that light of the darker exposure has over that of the brighter one, which is
    taken to be without noise: least squares over what lies near the line.

    Args:
        dark, bright: R'G'B' in [0, 1] of the same shape.
        transfer: what makes linear light of them.
    """
    tells = (bright > _DIM) & (bright < _CLIPPED)
    if int(tells.sum()) < _MIN_VALUES:
        return None
    every = 1 + int(tells.sum()) // _MOST_VALUES
    low, high = (
        photometric.decoded(one[tells][::every].astype(np.float64), transfer) for one in (dark, bright)
    )
    ratio = float(np.median(low / high))
    for _ in range(_ROUNDS):
        away = np.abs(low - ratio * high)
        spread = float(np.median(away))
        kept = away <= _FAR * spread
        ratio = float((low * high)[kept].sum() / (high * high)[kept].sum())  # no BLAS: its threads cost more
    if not _MIN_RATIO < ratio <= 1 or spread > _MAX_SPREAD * ratio * float(np.median(high)):
        return None
    return -float(np.log2(ratio))


def usual_white_ev(colours: Sequence[Map], gaps_ev: Sequence[float], transfer: Transfer) -> float:
    """How far diffuse white lies below what the darkest exposure clips at, if the picture is of a usual brightness.

    Its geometric mean is then that of a grey card, 18 % of white (Reinhard et al., SIGGRAPH 2002). White is no brighter
    than what the darkest exposure clips at, no darker than what the brightest one does, and rounded to `WHITE_STEP`.

    Args:
        colours: R'G'B' of each exposure of one instant, darkest first, as `sampled_colours` gives them.
        gaps_ev: exposure of each, relative to the darkest.
        transfer: what makes linear light of them.
    """
    light = photometric.decoded(colours[0].astype(np.float64), transfer)
    for rgb, gap in zip(colours[1:], gaps_ev[1:], strict=True):
        seen = rgb.max(axis=2) < _CLIPPED
        light[seen] = photometric.decoded(rgb[seen].astype(np.float64), transfer) * 2.0**-gap
    mean = float(np.log2(np.maximum(light.mean(axis=2), _DARKEST)).mean())
    found = min(max(float(np.log2(GREY_CARD)) - mean, 0.0), gaps_ev[-1])
    return round(found / WHITE_STEP) * WHITE_STEP


def _known(aligned: AlignedBracket) -> list[float] | None:
    """Exposure of each rank in EV from the frames' metadata, if all tell and rise."""
    bracket = aligned.bracket
    found: list[float] = []
    for rank in range(bracket.cycle):
        pair = bracket.missing.get(rank, Neighbours(None, None))
        frame = bracket.reference if rank == bracket.rank else pair.before or pair.after
        ev = None if frame is None or frame.exposure is None else frame.exposure.ev
        if ev is None or (found and ev <= found[-1]):
            return None
        found.append(ev)
    return found
