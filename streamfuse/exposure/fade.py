"""Fades of editors: in them a clipped area has a level below white, which no sensor has measured.

Alignment and fusion take what is at white for clipped and all else for seen. So where the level at which the brightest
exposure clips moves from frame to frame, the frames of a bracket are lifted to the brightness that they had before the
fade, and the fused picture is dimmed again by as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color_info import chroma_range, luma_range
from streamfuse.core.frame import Bracket, Frame, FusedFrame, Neighbours, Plane
from streamfuse.core.protocols import Stage
from streamfuse.imaging.recent import Recent

_TOP_SHARE = 2e-4  # of the pixels may be brighter than white: ringing of codecs
_MIN_SHARE = 0.01  # of the pixels must be clipped for their level to be known
# Times as many pixels as a little below it: a wall in the sun has shades, what is clipped has none.
_SHARP, _MIN_SHARP = 3.0, 1.2
_WIDTH, _BELOW = 2, (3, 6)  # code values of 8 bit: of the level on both sides, and what "a little below" is
_SEARCHED = 12  # code values below the brightest in which the level lies
_WHITE = 0.985  # from this share of white on nothing is dimmed
_DARKEST = 0.03  # share of white below which nothing is to be seen anyway
_QUANTILES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.998)
_MIN_SHADES = 4  # of them have to be seen
_EVEN = 0.06  # by how much of their mean the factors of shades may differ that are dimmed as one
_UNEVEN = 0.25  # the same next to black, where codes are few
_MOVES = 0.004  # change of the level from one frame of an exposure to the next that is a fade


class Fades:
    """The two ends of what is lifted: `lift` takes brackets, `dim` the fused frames of the same instants, in order."""

    def __init__(self) -> None:
        self._levels: Recent[float] = Recent(12)
        self._lifted: Recent[_Lifted] = Recent(12)
        self._shares: dict[int, float] = {}  # by index of the reference, of instants that are on their way

    def lift(self, bracket: Bracket) -> Bracket:
        """Give the bracket as it was before the fade; the same object where there is none."""
        if bracket.alone:
            return bracket
        known = {frame.index: self._level(frame) for frame in _brightest(bracket)}
        clear = {at: level for at, level in known.items() if level > 0}
        if len(clear) < 2:  # each channel is clipped elsewhere, so that luma has no level
            clear = evenly_dimmed(_brightest(bracket)) or _beginning(bracket)
        if len(clear) < 2 or min(clear.values()) >= _WHITE or np.ptp([*clear.values()]) < _MOVES:
            return bracket

        def lifted(frame: Frame) -> Frame:
            return self._lift(frame, _interpolated(clear, frame.index))

        self._shares[bracket.reference.index] = _interpolated(clear, bracket.reference.index)
        return replace(
            bracket,
            reference=lifted(bracket.reference),
            missing={rank: _each(pair, lifted) for rank, pair in bracket.missing.items()},
            same=_each(bracket.same, lifted),
        )

    def dim(self, frame: FusedFrame) -> FusedFrame:
        """Give the fused frame of a bracket that was lifted, as dark as the film is there."""
        share = self.taken(frame.index)
        if share == 1.0:
            return frame
        return replace(frame, planes=_scaled(frame, share))

    def taken(self, index: int) -> float:
        """To what share of its R'G'B' the film is dimmed at a reference, for who dims by himself; asked for once."""
        return self._shares.pop(index, 1.0)

    def _level(self, frame: Frame) -> float:
        found = self._levels.get(frame)
        return self._levels.put(clipping_level(frame), frame) if found is None else found

    def _lift(self, frame: Frame, share: float) -> Frame:
        """Give one object for a frame and a share: stages after this one know frames by it."""
        found = self._lifted.get(frame)
        if found is None or found.share != share:
            planes = frame.planes if share == 1.0 else _scaled(frame, 1.0 / share)
            found = self._lifted.put(_Lifted(replace(frame, planes=planes), share), frame)
        return found.frame


class LiftStage(Stage[Bracket, Bracket]):
    """Bracket -> Bracket."""

    def __init__(self, fades: Fades) -> None:
        self._fades = fades

    def push(self, item: Bracket) -> Iterable[Bracket]:
        """Give one for one."""
        return [self._fades.lift(item)]


class DimStage(Stage[FusedFrame, FusedFrame]):
    """FusedFrame -> FusedFrame."""

    def __init__(self, fades: Fades) -> None:
        self._fades = fades

    def push(self, item: FusedFrame) -> Iterable[FusedFrame]:
        """Give one for one."""
        return [self._fades.dim(item)]


@dataclass(frozen=True, slots=True)
class _Lifted:
    frame: Frame
    share: float


def clipping_level(frame: Frame) -> float:
    """Luma at which a frame is clipped, in (0, 1]; 0 where nothing shows it. 1 is white, or too little below it."""
    black, white = luma_range(frame.bits, frame.color.full_range)
    step = 1 << max(frame.bits - 8, 0)  # of finer codes as many as make one of 8 bit
    counts = _histogram(frame.luma[::2, ::2], step, frame.bits)
    brighter = np.cumsum(counts[::-1])[::-1]
    top = int(np.flatnonzero(brighter > _TOP_SHARE * counts.sum())[-1])
    at = max(top - _SEARCHED, 0) + int(counts[max(top - _SEARCHED, 0) : top + 1].argmax())
    codes = np.arange(max(at - _WIDTH, 0), min(at + _WIDTH + 1, len(counts)))
    level = counts[codes]
    below = counts[max(at - _BELOW[1], 0) : max(at - _BELOW[0] + 1, 0)]
    mass = float(level.sum())
    if mass < _MIN_SHARE * counts.sum():
        return 0.0
    code = float(codes @ level) / mass * step + (step - 1) / 2
    share = (code - black) / (white - black)
    below_as_wide = float(below.mean()) * len(codes) if len(below) else 0.0
    # A picture that is dimmed has its shades on fewer codes.
    if share < _DARKEST or mass < max(_SHARP * share, _MIN_SHARP) * below_as_wide:
        return 0.0
    return 1.0 if share >= _WHITE else share


def evenly_dimmed(frames: Sequence[Frame]) -> dict[int, float]:
    """Luma of the brightest parts of frames of one exposure, by their index, if all other parts change as they do.

    A light that changes leaves what is clipped at white, and things that move change some shades more than others;
    only who dims pictures changes all of them by one factor. Empty where they do not, or where nothing changes.
    """
    ordered = sorted(frames, key=lambda frame: frame.index)
    shades = [_shades(frame) for frame in ordered]
    if len(shades) < 2:
        return {}
    for one, other in pairwise(shades):
        seen = np.minimum(one, other) > _DARKEST
        if seen.sum() < _MIN_SHADES or not (one[-1] > _DARKEST and other[-1] > _DARKEST):
            return {}
        factors = other[seen] / one[seen]
        if np.ptp(factors) > _EVEN * factors.mean():
            return {}
    return {frame.index: min(float(shade[-1]), 1.0) for frame, shade in zip(ordered, shades, strict=True)}


def _beginning(bracket: Bracket) -> dict[int, float]:
    """Levels where a fade begins or ends, and one frame alone of the brightest exposure is there; else none.

    How fast the fade goes the reference and the next of its exposure tell; the bright frame lies halfway between them.
    """
    bright = _brightest(bracket)
    others = [frame for frame in (bracket.same.before, bracket.same.after) if frame is not None]
    if bracket.rank == bracket.cycle - 1 or len(bright) != 1 or len(others) != 1:
        return {}
    here, there, between = (_shades(frame) for frame in (bracket.reference, others[0], bright[0]))
    seen = here > _DARKEST
    factors = there[seen] / here[seen]
    if seen.sum() < _MIN_SHADES // 2 or np.ptp(factors) > _UNEVEN * factors.mean():
        return {}
    level = float(between[-1])
    share = level * 2 / (1 + float(factors.mean()))
    return {bracket.reference.index: min(share, 1.0), bright[0].index: min(level, 1.0)}


def _shades(frame: Frame) -> npt.NDArray[np.float64]:
    """Luma over black, 1 = white, at quantiles of a frame."""
    black, white = luma_range(frame.bits, frame.color.full_range)
    reached = np.cumsum(_histogram(frame.luma[::4, ::4], 1, frame.bits))
    # As `np.quantile`, which sorts: in most of a film no level is clear, and it would be asked for each frame.
    place = np.array(_QUANTILES) * (reached[-1] - 1)
    lower, upper = (np.searchsorted(reached, np.floor(place) + more, "right") for more in (0, 1))
    return (lower + place % 1 * (upper - lower) - black) / (white - black)


def _histogram(luma: Plane, step: int, bits: int) -> npt.NDArray[np.float64]:
    """Pixels in each of the steps of 8 bit."""
    count = (1 << bits) // step
    found = cv2.calcHist([np.ascontiguousarray(luma)], [0], None, [count], [0.0, float(1 << bits)])
    return found.ravel().astype(np.float64)


def _brightest(bracket: Bracket) -> list[Frame]:
    """Give the frames of the exposure that clips first."""
    rank = bracket.cycle - 1
    pair = bracket.same if bracket.rank == rank else bracket.missing.get(rank)
    found = [] if pair is None else [frame for frame in (pair.before, pair.after) if frame is not None]
    return [*found, bracket.reference] if bracket.rank == rank else found


def _interpolated(levels: dict[int, float], index: int) -> float:
    """Give the level at a frame, from those around it; the fade goes on evenly beyond them, but not to black."""
    at = sorted(levels)
    if at[0] <= index <= at[-1]:
        return float(np.interp(index, at, [levels[one] for one in at]))
    near, far = (at[0], at[1]) if index < at[0] else (at[-1], at[-2])
    slope = (levels[near] - levels[far]) / (near - far)
    return float(np.clip(levels[near] + slope * (index - near), levels[near] / 2, 1.0))


def _each(pair: Neighbours, change: Callable[[Frame], Frame]) -> Neighbours:
    return Neighbours(*(None if frame is None else change(frame) for frame in (pair.before, pair.after)))


def _scaled(frame: Frame | FusedFrame, factor: float) -> tuple[Plane, ...]:
    """R'G'B' times a factor: luma over black and chroma around grey."""
    last, bits, full = (1 << frame.bits) - 1, frame.bits, frame.color.full_range
    centres = (luma_range(bits, full)[0], *(chroma_range(bits, full)[0],) * (len(frame.planes) - 1))
    codes = np.arange(last + 1, dtype=np.float64)
    out = []
    for plane, centre in zip(frame.planes, centres, strict=True):
        table = np.clip(np.rint(centre + (codes - centre) * factor), 0, last).astype(plane.dtype)
        out.append(cv2.LUT(plane, table) if plane.dtype == np.uint8 else np.take(table, plane, mode="clip"))
    return tuple(out)
