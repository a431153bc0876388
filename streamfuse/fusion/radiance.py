"""Merging exposures of one instant into scene-linear radiance, coded for HDR displays or kept as it is.

For each pixel and channel the radiance is the mean of what the exposures tell, each in units in which the darkest
exposure clips at 1, weighted by the inverse of its variance (after Debevec and Malik 1997, with the noise of
Granados et al. 2010): light x of an exposure that takes s times the light has the variance

    (read^2 + x / full_well + (d x / d code)^2 / 12) / s^2

of read noise, shot noise and the rounding to codes. A channel of an exposure fades out smoothly as it nears white, that
of the darkest one but for a trace, so that no pixel is without a value. Where exposures disagree the
alignment has put the reference in the other's place (`align.ghost`), brought to its scale: there both tell the same.

A channel that clips is a lower bound: cameras crush their blacks and codecs their colours, and what a brighter exposure
shows white must be neither black nor magenta. What a darker exposure shows
far beyond the white of a brighter one has clipped there, though chroma that pixels share may hide it (a small lamp of
one pure colour): the brighter one is not asked.

The scale of the film is kept over time (`ExposureScale`), and white stays where the first bracket puts it: nothing
breathes. `docs/hdr.md` has the formulas of the output and their sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color_info import ColorInfo, chroma_range, luma_range
from streamfuse.core.frame import AlignedBracket, Bracket, Frame, FusedFrame, Map, Plane
from streamfuse.core.one_buffer import empty_planes
from streamfuse.core.protocols import ParallelStage
from streamfuse.core.turns import Turn, Turns
from streamfuse.fusion import radiance_rows as rows
from streamfuse.fusion.radiance_scale import ExposureScale, Gains, Meaning, picked
from streamfuse.fusion.stage import untrusted_share
from streamfuse.imaging import hdr_transfer, photometric
from streamfuse.imaging.hdr_transfer import REFERENCE_WHITE, HdrTransfer
from streamfuse.imaging.photometric import Transfer

READ_NOISE = 1e-3  # standard deviation in linear light, full scale is 1
FULL_WELL = 10_000.0  # electrons at full scale
FADE_START, FADE_END = 0.85, 0.97  # of R'G'B': a channel fades out as it clips
FADE = np.array((FADE_END, 1 / (FADE_END - FADE_START)), np.float32)
SURE_EV = 2.5  # where an exposure shows all, one that is darker by this is not asked: it would weigh 3 %
FAR = 4.0  # times the light at which the next brighter exposure clips: what shows more has clipped there for sure
SEEN = 0.01  # light above the noise of a dark exposure
NEVER = 9.0  # R'G'B' that does not occur
TRACE = 1e-6  # of its weight that is left of the darkest exposure when it clips
H273_TRANSFER = {"pq": 16, "hlg": 18}
HLG_PEAK = REFERENCE_WHITE / hdr_transfer.HLG_WHITE  # scene light at signal 1, where diffuse white is 203


@dataclass(frozen=True, slots=True)
class HdrTarget:
    """What radiance is coded as.

    Args:
        transfer: of the planes that are made.
        white_ev: how far diffuse white lies below what the darkest exposure clips at; None: by the first
            bracket, as `usual_white_ev` has it.
        peak: luminance that nothing exceeds, cd/m2, of PQ; HLG has its own.
        bits: of the planes.
        keep: give the radiance along with the planes.
    """

    transfer: HdrTransfer = "pq"
    white_ev: float | None = None
    peak: float = 1000.0
    bits: int = 10
    keep: bool = False

    @property
    def grey(self) -> float:
        """Share of diffuse white that the first bracket's mean is given, where white is not told."""
        return hdr_transfer.HLG_GREY if self.transfer == "hlg" else hdr_transfer.GREY_CARD

    @property
    def color(self) -> ColorInfo:
        """Of the planes: BT.2020, limited range."""
        return ColorInfo(matrix=9, primaries=hdr_transfer.BT2020, transfer=H273_TRANSFER[self.transfer])


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """Tables of `radiance_rows` from radiance to codes.

    Args:
        matrix: (3, 3), from radiance to luminance of the output's R, G and B in cd/m2.
        gain, signal: by luminance.
        knee: luminance up to which gain is 1.
        luma: weights of R', G', B' in Y', then what Cb and Cr are differences to Y' times.
        codes: scale and offset of Y', scale and offset of chroma, with what rounds.
    """

    matrix: Map
    gain: Map
    signal: Map
    luma: Map
    codes: Map
    knee: np.float32


@lru_cache(maxsize=4)
def rendering(target: HdrTarget, primaries: int, white: float) -> Rendering:
    """Tell how radiance of these primaries is coded if diffuse white has the radiance `white`."""
    nits = rows.luminances()
    pq = target.transfer == "pq"
    peak = target.peak if pq else HLG_PEAK
    gain = hdr_transfer.rolled_off(nits, REFERENCE_WHITE / white, peak) / nits
    signal = hdr_transfer.pq_encode(nits) if pq else hdr_transfer.hlg_encode(nits / HLG_PEAK)
    signal[0] = 0.0
    kr, kb = target.color.luma_coefficients(0)
    black, top = luma_range(target.bits, False)
    neutral, half = chroma_range(target.bits, False)
    matrix = hdr_transfer.between_primaries(primaries, hdr_transfer.BT2020) * (REFERENCE_WHITE / white)
    luma = (kr, 1 - kr - kb, kb, 0.5 / (1 - kb), 0.5 / (1 - kr))
    codes = (top - black, black + 0.5, 2 * half, neutral + 0.5)
    bent = np.flatnonzero(np.abs(gain - 1) > 1e-4)
    knee = np.float32(nits[bent[0] - 1] if len(bent) else np.inf)
    tables = [np.asarray(one, np.float32) for one in (matrix, gain, signal, luma, codes)]
    return Rendering(tables[0], tables[1], tables[2], tables[3], tables[4], knee)


def merged(
    exposures: Sequence[tuple[Plane, ...]],
    gaps_ev: Sequence[float],
    transfer: Transfer,
    bits: int,
    subsampling: tuple[int, int],
    color: ColorInfo,
    coded: Rendering,
    keep: bool = False,
    gains: Gains | None = None,
) -> tuple[tuple[Plane, ...], Map | None]:
    """Give the planes that radiance is coded as, and the radiance itself if it is to be kept.

    Args:
        exposures: N of one instant as planes, darkest first; (Y,) or (Y, Cb, Cr).
        gaps_ev: exposure of each, relative to the darkest.
        transfer: what makes linear light of their R'G'B'.
        bits, subsampling, color: of the exposures.
        coded: how.
        keep: give the radiance, too.
        gains: as in `Meaning`; None: all have one white balance.

    Returns:
        Planes of the shapes of the exposures', and (H, W, 3) float32 linear R, G, B of the exposures' primaries, at
        which the darkest exposure clips at 1; or None.
    """
    height, width = exposures[0][0].shape
    black, white = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    grey = len(exposures[0]) == 1
    lumas = [planes[0] for planes in exposures]
    if grey:
        subsampling = (1, 1)
        coarse = np.full((-(-height >> 1), -(-width >> 1)), neutral, lumas[0].dtype)
        cbs = crs = [coarse] * len(exposures)
    else:
        cbs, crs = ([planes[n] for planes in exposures] for n in (1, 2))
    places = np.arange(width) / (1 << subsampling[0])
    code = np.uint16(0)
    y, cb, cr = empty_planes(
        [np.broadcast_to(code, (height, width)), *[np.broadcast_to(code, cbs[0].shape)] * 2]
    )
    linear = np.empty((height if keep else 0, width, 3), np.float32)
    one = one_white_balance(len(gaps_ev)) if gains is None else gains
    how = tables(tuple(gaps_ev), one, transfer, bits, color.full_range)
    rows.merge(
        _alike(lumas),
        _alike(cbs),
        _alike(crs),
        np.array((black, 1 / (white - black), neutral, 0.5 / half), np.float32),
        subsampling,
        places.astype(np.uint32),
        (places % 1).astype(np.float32),
        differences_to_rgb(color, height),
        how.light,
        how.weights,
        FADE,
        how.floors,
        how.scales,
        how.sure,
        how.far,
        coded.matrix,
        coded.gain,
        coded.knee,
        coded.signal,
        coded.luma,
        coded.codes,
        (y, cb, cr),
        linear,
    )
    return (y,) if grey else (y, cb, cr), linear if keep else None


def _alike(planes: Sequence[Plane]) -> tuple[Plane, ...]:
    """Planes as one kind for compiled loops: read-only, contiguous, and 2, 4, 8, ... of them, the last repeated."""
    alike = [np.ascontiguousarray(plane).view() for plane in planes]
    for plane in alike:
        plane.flags.writeable = False
    missing = (1 << max(1, (len(alike) - 1).bit_length())) - len(alike)
    return (*alike, *alike[-1:] * missing)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What N exposures tell, as `radiance_rows` looks it up.

    Args:
        light: linear light, by R'G'B'.
        weights: (N, nodes), by luma.
        floors, sure: (N,), see `radiance_rows.merge`.
        far: (N, 3), see there.
        scales: (N, 3), radiance of R, G and B at the full scale of each exposure.
    """

    light: Map
    weights: Map
    floors: Map
    sure: npt.NDArray[np.bool_]
    far: Map
    scales: Map


@lru_cache(maxsize=8)
def tables(
    gaps_ev: tuple[float, ...], gains: Gains, transfer: Transfer, bits: int, full_range: bool
) -> Tables:
    """Of exposures so far apart, whose code values are made of light so."""
    values = np.linspace(0.0, 1.0, rows.NODES if bits > 8 else rows.FEWER_NODES)
    light = photometric.decoded(values, transfer)
    black, white = luma_range(bits, full_range)
    rounding = np.gradient(light, values) / (white - black)
    variance = READ_NOISE**2 + light / FULL_WELL + rounding**2 / 12
    weights = 4.0 ** np.asarray(gaps_ev)[:, None] / variance
    floors = np.zeros(len(gaps_ev))
    floors[0] = TRACE * float(weights[0, -1])
    beyond = FAR * 2.0 ** -np.diff(gaps_ev)  # of each but the brightest
    far = np.full((len(gaps_ev), 3), NEVER)
    far[:-1, 0] = np.where(beyond < 1, np.interp(beyond, light, values), NEVER)
    far[:-1, 1] = np.interp(SEEN, light, values)
    far[:-1, 2] = beyond ** (1 / photometric.GAMMA)
    scales = np.asarray(gains) * 2.0 ** -np.asarray(gaps_ev)[:, None]
    sure = np.diff(gaps_ev, prepend=gaps_ev[0]) >= SURE_EV
    first, each, floor, most, scale = (
        np.asarray(one, np.float32) for one in (light, weights, floors, far, scales)
    )
    return Tables(first, each, floor, sure, most, scale)


def differences_to_rgb(color: ColorInfo, height: int) -> Map:
    """Give what Cr adds to R', Cb and Cr take from G', and Cb adds to B'."""
    kr, kb = color.luma_coefficients(height)
    kg = 1 - kr - kb
    return np.array((2 * (1 - kr), 2 * kb * (1 - kb) / kg, 2 * kr * (1 - kr) / kg, 2 * (1 - kb)), np.float32)


def one_white_balance(count: int) -> Gains:
    """`Meaning.gains` of exposures that do not differ in it."""
    return ((1.0, 1.0, 1.0),) * count


def in_units(radiance: Map, matrix: npt.NDArray[np.float64]) -> Map:
    """Radiance (H, W, 3) times a matrix (3, 3)."""
    return np.asarray(cv2.transform(radiance, matrix), np.float32)


def coded_for(target: HdrTarget, frame: Frame, meaning: Meaning, light: float) -> Rendering:
    """Tell how the radiance of one instant is coded, of whose light a fade leaves a share of at most 1."""
    coded = rendering(target, frame.color.primaries, 2.0**-meaning.white_ev)
    return coded if light == 1 else replace(coded, matrix=coded.matrix * np.float32(light))


def fused_frame(
    bracket: Bracket,
    planes: tuple[Plane, ...],
    radiance: Map | None,
    untrusted: float,
    target: HdrTarget,
    white: float,
) -> FusedFrame:
    """Give what a stage gives.

    Args:
        bracket: where it came from.
        planes, radiance: as `merged` gives them.
        untrusted: as in `FusedFrame`.
        target: what they are coded as.
        white: radiance that is 1 in what the frame carries.
    """
    if radiance is not None:
        to_709 = hdr_transfer.between_primaries(bracket.reference.color.primaries, hdr_transfer.BT709)
        radiance = in_units(radiance, to_709 / white)
    fused = FusedFrame.of_bracket(bracket, planes, untrusted)
    return replace(fused, bits=target.bits, color=target.color, radiance=radiance)


class RadianceStage(ParallelStage[AlignedBracket, FusedFrame]):
    """AlignedBracket -> FusedFrame in high dynamic range.

    Args:
        target: what it is coded as.
        dimmed: by the number of a reference, the share of R'G'B' to which the film is dimmed there (a fade).
    """

    name, device = "radiance", "cpu"

    def __init__(self, target: HdrTarget, dimmed: Callable[[int], float] = lambda _: 1.0) -> None:
        self._target = target
        self._dimmed = dimmed
        self._scale = ExposureScale(target.white_ev, target.grey)
        self._turns = Turns()

    def begin(self, item: AlignedBracket) -> Callable[[], Iterable[FusedFrame]]:
        """Give one for one; the scale of each is found in order."""
        return partial(self._merged, item, self._turns.next())

    def _merged(self, item: AlignedBracket, turn: Turn) -> Iterable[FusedFrame]:
        (meaning, light), target, frame = self._meaning(item, turn), self._target, item.bracket.reference
        coded = coded_for(target, frame, meaning, light)
        planes, radiance = merged_of(item, meaning, coded, target.keep)
        white = 2.0**-meaning.white_ev / light
        return (fused_frame(item.bracket, planes, radiance, untrusted_share(item), target, white),)

    def _meaning(self, item: AlignedBracket, turn: Turn) -> tuple[Meaning, float]:
        """Give what a bracket's exposures mean, each asked for in order, and the share of light that a fade leaves."""
        with turn:
            meaning = self._scale(item.bracket, item.balances, lambda: picked(item.exposures))
        return meaning, light_left(self._dimmed(item.bracket.reference.index), meaning.transfer)


def light_left(dimmed: float, transfer: Transfer) -> float:
    """Share of the light where R'G'B' are dimmed to a share."""
    return min(float(photometric.decoded(np.array(dimmed), transfer)), 1.0)


def merged_of(
    item: AlignedBracket, meaning: Meaning, coded: Rendering, keep: bool
) -> tuple[tuple[Plane, ...], Map | None]:
    """`merged`, of a bracket; one that is alone (a title, a film whose exposures do not alternate) is one exposure."""
    frame, exposures = item.bracket.reference, item.exposures[: len(meaning.gaps_ev)]
    how = meaning.transfer, frame.bits, frame.subsampling, frame.color, coded
    return merged(exposures, meaning.gaps_ev, *how, keep=keep, gains=meaning.gains)
