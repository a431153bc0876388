"""Merging exposures of one instant into scene-linear radiance, coded for HDR displays or kept as it is.

For each pixel and channel the radiance is the mean of what the exposures tell, each in units in which the darkest
exposure clips at 1, weighted by the inverse of its variance (after Debevec and Malik 1997, with the noise of
Granados et al. 2010): light x of an exposure that takes s times the light has the variance

    (read^2 + x / full_well + (d x / d code)^2 / 12) / s^2

of read noise, shot noise and the rounding to codes. A channel of an exposure fades out smoothly as it nears white, that
of the darkest one but for a trace, so that no pixel is without a value. Where exposures disagree the
alignment has put the reference in the other's place (`align.ghost`), brought to its scale: there both tell the same.

A channel that clips is a lower bound. Where the darkest exposure is lost in its black, the radiance is that at least:
cameras crush their blacks, and what a brighter exposure shows white must not be black.

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

from streamfuse.core.frame import (
    AlignedBracket,
    ColorInfo,
    Frame,
    FusedFrame,
    Map,
    Plane,
    chroma_range,
    empty_planes,
    luma_range,
)
from streamfuse.core.protocols import ParallelStage
from streamfuse.core.turns import Turn, Turns
from streamfuse.fusion import radiance_rows as rows
from streamfuse.fusion.radiance_scale import ExposureScale, sampled_colours, usual_white_ev
from streamfuse.fusion.stage import untrusted_share
from streamfuse.imaging import hdr_transfer, photometric
from streamfuse.imaging.hdr_transfer import REFERENCE_WHITE, HdrTransfer
from streamfuse.imaging.photometric import Transfer

READ_NOISE = 1e-3  # standard deviation in linear light, full scale is 1
FULL_WELL = 10_000.0  # electrons at full scale
FADE_START, FADE_END = 0.85, 0.97  # of R'G'B': a channel fades out as it clips
LOST = 0.03, 0.1  # luma of the darkest exposure up to which it tells nothing, and from which on it tells all
SURE_EV = 2.5  # where an exposure shows all, one that is darker by this is not asked: it would weigh 3 %
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
    """How radiance of these primaries is coded if diffuse white has the radiance `white`."""
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
) -> tuple[tuple[Plane, ...], Map | None]:
    """The planes that radiance is coded as, and the radiance itself if it is to be kept.

    Args:
        exposures: N of one instant as planes, darkest first; (Y,) or (Y, Cb, Cr).
        gaps_ev: exposure of each, relative to the darkest.
        transfer: what makes linear light of their R'G'B'.
        bits, subsampling, color: of the exposures.
        coded: how.
        keep: give the radiance, too.

    Returns:
        Planes of the shapes of the exposures', and (H, W, 3) float32 linear R, G, B of the exposures' primaries, at
        which the darkest exposure clips at 1; or None.
    """
    lumas = np.stack([planes[0] for planes in exposures])
    height, width = lumas.shape[1:]
    black, white = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    grey = len(exposures[0]) == 1
    if grey:
        subsampling = (1, 1)
        coarse = (len(exposures), 2, -(-height >> 1), -(-width >> 1))
        chroma: Plane = np.full(coarse, neutral, lumas.dtype)
    else:
        chroma = np.stack([np.stack(planes[1:]) for planes in exposures])
    kr, kb = color.luma_coefficients(height)
    kg = 1 - kr - kb
    to_rgb = np.array(
        (2 * (1 - kr), 2 * kb * (1 - kb) / kg, 2 * kr * (1 - kr) / kg, 2 * (1 - kb)), np.float32
    )
    places = np.arange(width) / (1 << subsampling[0])
    code = np.uint16(0)
    y, cb, cr = empty_planes(
        [np.broadcast_to(code, lumas.shape[1:]), *[np.broadcast_to(code, chroma.shape[2:])] * 2]
    )
    linear = np.empty((height if keep else 0, width, 3), np.float32)
    light, weights, unclipped, floors = _tables(tuple(gaps_ev), transfer, bits, color.full_range)
    rows.merge(
        lumas,
        chroma,
        np.array((black, 1 / (white - black), neutral, 0.5 / half), np.float32),
        subsampling,
        places.astype(np.uint32),
        (places % 1).astype(np.float32),
        to_rgb,
        light,
        weights,
        unclipped,
        floors,
        np.array([2.0**-gap for gap in gaps_ev], np.float32),
        np.diff(gaps_ev, prepend=gaps_ev[0]) >= SURE_EV,
        np.array(LOST, np.float32),
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


@lru_cache(maxsize=8)
def _tables(
    gaps_ev: tuple[float, ...], transfer: Transfer, bits: int, full_range: bool
) -> tuple[Map, Map, Map, Map]:
    """Linear light, weights of each exposure, fading out, and what is left of each."""
    values = np.linspace(0.0, 1.0, rows.NODES)
    light = photometric.decoded(values, transfer)
    black, white = luma_range(bits, full_range)
    rounding = np.gradient(light, values) / (white - black)
    variance = READ_NOISE**2 + light / FULL_WELL + rounding**2 / 12
    scales = 4.0 ** np.asarray(gaps_ev)[:, None]
    weights = scales / variance
    part = np.clip((FADE_END - values) / (FADE_END - FADE_START), 0, 1)
    floors = np.zeros(len(gaps_ev))
    floors[0] = TRACE * float(weights[0, -1])
    tables = (light, weights, part * part * (3 - 2 * part), floors)
    first, *others = (np.asarray(one, np.float32) for one in tables)
    return first, others[0], others[1], others[2]


def in_units(radiance: Map, matrix: npt.NDArray[np.float64]) -> Map:
    """Radiance (H, W, 3) times a matrix (3, 3)."""
    return np.asarray(cv2.transform(radiance, matrix), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Exposures of one instant, and what their code values mean.

    Args:
        exposures, gaps_ev, transfer: as `merged` takes them.
        white: radiance of diffuse white, where 1 is what the darkest exposure clips at.
        light: share of the light that a fade leaves, at most 1.
    """

    exposures: Sequence[tuple[Plane, ...]]
    gaps_ev: Sequence[float]
    transfer: Transfer
    white: float
    light: float

    def merged(self, frame: Frame, coded: Rendering, keep: bool) -> tuple[tuple[Plane, ...], Map | None]:
        """As `merged`; `frame` is one of them."""
        how = frame.bits, frame.subsampling, frame.color, coded
        return merged(self.exposures, self.gaps_ev, self.transfer, *how, keep=keep)


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
        self._scale = ExposureScale()
        self._white_ev = target.white_ev
        self._turns = Turns()

    def begin(self, item: AlignedBracket) -> Callable[[], Iterable[FusedFrame]]:
        """One in, one out; the scale of each is found in order."""
        return partial(self._merged, item, self._turns.next())

    def _merged(self, item: AlignedBracket, turn: Turn) -> Iterable[FusedFrame]:
        scaled, target = self._scaled(item, turn), self._target
        frame, light, white = item.bracket.reference, scaled.light, scaled.white
        coded = rendering(target, frame.color.primaries, white)
        if light < 1:
            coded = replace(coded, matrix=coded.matrix * np.float32(light))
        planes, radiance = scaled.merged(frame, coded, keep=target.keep)
        if radiance is not None:
            to_709 = hdr_transfer.between_primaries(frame.color.primaries, hdr_transfer.BT709)
            radiance = in_units(radiance, to_709 * (light / white))
        fused = FusedFrame.of_bracket(item.bracket, planes, untrusted_share(item))
        return (replace(fused, bits=target.bits, color=target.color, radiance=radiance),)

    def _scaled(self, item: AlignedBracket, turn: Turn) -> Scaled:
        """What is known of a bracket's exposures, each asked for in order."""
        with turn:
            transfer, gaps = self._scale(item)
            if self._white_ev is None and not item.bracket.alone:
                frame = item.bracket.reference
                colours = sampled_colours(item.exposures, frame.bits, frame.color)
                self._white_ev = usual_white_ev(colours, gaps, transfer)
            white_ev = self._white_ev
        exposures = item.exposures
        if (
            item.bracket.alone
        ):  # a title, or a film whose exposures do not alternate: its white is diffuse white
            exposures, gaps, white_ev = exposures[:1], (0.0,), 0.0
        assert white_ev is not None
        light = float(photometric.decoded(np.array(self._dimmed(item.bracket.reference.index)), transfer))
        return Scaled(exposures, gaps, transfer, 2.0**-white_ev, min(light, 1.0))
