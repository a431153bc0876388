"""What turns the code values of a film's exposures into radiance: their transfer function and how far they are apart.

Both are found in the aligned exposures of each instant, and kept over time, since what jumps from instant to instant
makes the picture breathe. The transfer function is the one that most instants told so far. The gap between two
exposures is the median over the last `WINDOW` instants of the ratio of linear light, over R', G' and B' that the
brighter one shows within its range; as long as too few do, it is the rough figure of their histograms. Metadata that
tell the exposures are believed instead. Where the alignment has proven that the exposures differ in white balance, all
have that of the darkest one here: what clips in it is white.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from streamfuse.core.color import planes_to_rgb
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Bracket, Map, Neighbours, Plane
from streamfuse.fusion.luma import normalise
from streamfuse.imaging import photometric
from streamfuse.imaging.hdr_transfer import GREY_CARD
from streamfuse.imaging.photometric import GAMMA, PLAIN, IntensityMapping, Transfer

Gains = tuple[tuple[float, float, float], ...]

GAMMA_22 = 4  # of H.273: footage that says so is believed
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
_MIN_VALUES, _MOST_VALUES = 60, 2000  # that have to tell, and that are asked
_ROUNDS = 4  # of leaving out what the ratio found so far does not explain: things that moved, or clip
_FAR = 3.0  # times the median deviation: what lies farther away is left out
_MAX_SPREAD = 0.7  # median deviation as a share of the light: more, and they are different things
_TELLING_EV = (
    6.0  # between exposures: farther apart, what both show is so dark in one that its noise looks like a toe
)
_MIN_RATIO = 2.0**-12  # below it the darker exposure shows nothing but its noise


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the code values of a bracket's exposures mean.

    Args:
        transfer: what makes linear light of R'G'B'.
        gaps_ev: exposure of each rank, relative to the darkest.
        gains: what linear R, G and B of each rank are multiplied by to have the white balance of the darkest.
        white_ev: how far diffuse white lies below what the darkest exposure clips at.
    """

    transfer: Transfer
    gaps_ev: tuple[float, ...]
    gains: Gains
    white_ev: float


class ExposureScale:
    """Follows the exposures of a film; called once for each instant, in order.

    Args:
        white_ev: as in `Meaning`; None: by the first bracket, as `usual_white_ev` has it.
        grey: see there.
    """

    def __init__(self, white_ev: float | None = None, grey: float = GREY_CARD) -> None:
        self._white_ev, self._grey = white_ev, grey
        self._votes: Counter[Transfer] = Counter()
        self._steps: dict[int, deque[float]] = {}
        self._rough: dict[int, deque[float]] = {}

    def __call__(
        self,
        bracket: Bracket,
        balances: Sequence[tuple[float, float]],
        seen: Callable[[], Sequence[tuple[Plane, ...]]],
    ) -> Meaning:
        """Of one bracket more; without partners it tells nothing, and its white is diffuse white.

        Args:
            bracket: where its exposures came from.
            balances: as in `AlignedBracket`.
            seen: gives `picked` of its exposures.
        """
        if bracket.alone:
            return Meaning(self.transfer, (0.0,), ((1.0, 1.0, 1.0),), 0.0)
        frame, planes = bracket.reference, seen()
        colours, known = sampled_colours(planes, frame.bits, frame.color), _known(bracket)
        curves: list[IntensityMapping] = []
        if not (self._settled and (known or len(self._steps) == bracket.cycle - 1)):
            lumas = sampled(planes, frame.bits, frame.color)
            curves = [photometric.estimate_curve([dark], [bright]) for dark, bright in pairwise(lumas)]
        if frame.color.transfer == GAMMA_22:
            self._votes[PLAIN] += bracket.cycle  # more than all others can have
        told = (curve.transfer for curve in curves if curve.gap_ev < _TELLING_EV)
        self._votes.update(transfer for transfer in told if transfer is not None)
        gains = (
            tuple((red**GAMMA, 1.0, blue**GAMMA) for red, blue in balances)
            or ((1.0, 1.0, 1.0),) * bracket.cycle
        )
        gaps = [0.0]
        for rank, (dark, bright) in enumerate(pairwise(colours)):
            if known is not None:
                gaps.append(known[rank + 1] - known[0])
                continue
            step = measured_step(dark, bright, self.transfer, np.divide(gains[rank], gains[rank + 1]))
            if step is not None:
                self._steps.setdefault(rank, deque(maxlen=WINDOW)).append(step)
            elif curves:  # a rough figure counts as long as none has been measured
                self._rough.setdefault(rank, deque(maxlen=WINDOW)).append(curves[rank].gap_ev)
            gaps.append(gaps[-1] + float(np.median(self._steps.get(rank) or self._rough[rank])))
        if self._white_ev is None:
            self._white_ev = usual_white_ev(colours, gaps, self.transfer, self._grey)
        return Meaning(self.transfer, tuple(gaps), gains, self._white_ev)

    @property
    def _settled(self) -> bool:
        """Whether one transfer function leads so far that it is not asked for again: it takes as long as all else."""
        votes = [count for _, count in self._votes.most_common(2)]
        return bool(votes) and votes[0] - sum(votes[1:]) >= WINDOW

    @property
    def transfer(self) -> Transfer:
        """Give what most instants told so far; of equals the one that was told first."""
        return max(self._votes, key=lambda one: self._votes[one], default=PLAIN)


def sampled(seen: Sequence[tuple[Plane, ...]], bits: int, color: ColorInfo) -> list[Map]:
    """Luma of `picked` planes, in [0, 1]."""
    return [normalise(np.ascontiguousarray(planes[0]), bits, color) for planes in seen]


def sampled_colours(seen: Sequence[tuple[Plane, ...]], bits: int, color: ColorInfo) -> list[Map]:
    """R'G'B' (h, w, 3) float32 in [0, 1] of `picked` planes."""
    found = []
    for planes in seen:
        wide = tuple(plane.astype(np.uint16) << np.uint16(16 - bits) for plane in planes)
        found.append(planes_to_rgb(wide, 16, (0, 0), color).astype(np.float32) / np.float32(65535))
    return found


def picked(exposures: Sequence[tuple[Plane, ...]]) -> list[tuple[Plane, ...]]:
    """Give every second to eighth pixel of each exposure, across and down, with the chroma sample that lies nearest."""
    places = [pixels(exposures[0][0].shape, plane.shape) for plane in exposures[0]]
    return [
        tuple(plane[down].take(across, axis=1) for plane, (down, across) in zip(planes, places, strict=True))
        for planes in exposures
    ]


def pixels(size: tuple[int, ...], plane: tuple[int, ...]) -> list[npt.NDArray[np.intp]]:
    """Rows and columns, in a plane of a picture of this size, of those that are `picked`."""
    step = next((stride for most, stride in _STRIDES if size[0] * size[1] < most), _LARGE_STRIDE)
    return [
        np.arange(0, fine, step) >> ((fine - 1).bit_length() - (coarse - 1).bit_length())
        for fine, coarse in zip(size, plane, strict=True)
    ]


def measured_step(
    dark: Map, bright: Map, transfer: Transfer, balance: npt.ArrayLike = (1.0, 1.0, 1.0)
) -> float | None:
    """EV from a darker exposure to a brighter one of the same instant; None where too little shows both.

    It is the slope of the line through 0 that light of the darker exposure has over that of the brighter one, which is
    taken to be without noise: least squares over what lies near the line.

    Args:
        dark, bright: R'G'B' in [0, 1] of the same shape.
        transfer: what makes linear light of them.
        balance: what linear R, G and B of the darker one are multiplied by to have the white balance of the brighter.
    """
    tells = np.flatnonzero((bright > _DIM) & (bright < _CLIPPED))
    if len(tells) < _MIN_VALUES:
        return None
    asked = tells[:: 1 + len(tells) // _MOST_VALUES]
    low, high = (
        photometric.decoded(one.ravel()[asked].astype(np.float64), transfer) for one in (dark, bright)
    )
    low = low * np.asarray(balance)[asked % 3]
    ratio = float(np.median(low / high))
    for _ in range(_ROUNDS):
        away = np.abs(low - ratio * high)
        spread = float(np.median(away))
        kept = away <= _FAR * spread
        ratio = float((low * high)[kept].sum() / (high * high)[kept].sum())  # no BLAS: its threads cost more
    if not _MIN_RATIO < ratio <= 1 or spread > _MAX_SPREAD * ratio * float(np.median(high)):
        return None
    return -float(np.log2(ratio))


def usual_white_ev(
    colours: Sequence[Map], gaps_ev: Sequence[float], transfer: Transfer, grey: float = GREY_CARD
) -> float:
    """Tell how far diffuse white lies below what the darkest exposure clips at, at a usual brightness.

    Its geometric mean is then that of a grey card, 18 % of white (Reinhard et al., SIGGRAPH 2002), and white no
    brighter than what the darkest exposure clips at, no darker than what the brightest one does.

    Args:
        colours: R'G'B' of each exposure of one instant, darkest first, as `sampled_colours` gives them.
        gaps_ev: exposure of each, relative to the darkest.
        transfer: what makes linear light of them.
        grey: share of white to take for those 18 %.
    """
    light = photometric.decoded(colours[0].astype(np.float64), transfer)
    for rgb, gap in zip(colours[1:], gaps_ev[1:], strict=True):
        seen = rgb.max(axis=2) < _CLIPPED
        light[seen] = photometric.decoded(rgb[seen].astype(np.float64), transfer) * 2.0**-gap
    mean = float(np.log2(np.maximum(light.mean(axis=2), _DARKEST)).mean())
    found = min(max(float(np.log2(GREY_CARD)) - mean, 0.0), gaps_ev[-1]) + float(np.log2(grey / GREY_CARD))
    return round(found / WHITE_STEP) * WHITE_STEP


def _known(bracket: Bracket) -> list[float] | None:
    """Exposure of each rank in EV from the frames' metadata, if all tell and rise."""
    found: list[float] = []
    for rank in range(bracket.cycle):
        pair = bracket.missing.get(rank, Neighbours(None, None))
        frame = bracket.reference if rank == bracket.rank else pair.before or pair.after
        ev = None if frame is None or frame.exposure is None else frame.exposure.ev
        if ev is None or (found and ev <= found[-1]):
            return None
        found.append(ev)
    return found
