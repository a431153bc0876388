"""Fades of editors: in them a clipped area has a level below white, which no sensor has measured.

Alignment and fusion take what is at white for clipped and all else for seen. So where the level at which the brightest
exposure clips moves from frame to frame, the frames of a bracket are lifted to the brightness that they had before the
fade, and the fused picture is dimmed again by as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Bracket, Frame, FusedFrame, Neighbours, Plane, chroma_range, luma_range
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
_MOVES = 0.004  # change of the level from one frame of an exposure to the next that is a fade


class Fades:
    """The two ends of what is lifted: `lift` takes brackets, `dim` the fused frames of the same instants, in order."""

    def __init__(self) -> None:
        self._levels: Recent[float] = Recent(12)
        self._lifted: Recent[_Lifted] = Recent(12)
        self._shares: dict[int, float] = {}  # by index of the reference, of instants that are on their way

    def lift(self, bracket: Bracket) -> Bracket:
        """The bracket as it was before the fade; the same object where there is none."""
        if bracket.alone:
            return bracket
        known = {frame.index: self._level(frame) for frame in _brightest(bracket)}
        clear = {at: level for at, level in known.items() if level > 0}
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
        """The fused frame of a bracket that was lifted, as dark as the film is there."""
        share = self._shares.pop(frame.index, 1.0)
        if share == 1.0:
            return frame
        return replace(frame, planes=_scaled(frame, share))

    def _level(self, frame: Frame) -> float:
        found = self._levels.get(frame)
        return self._levels.put(clipping_level(frame), frame) if found is None else found

    def _lift(self, frame: Frame, share: float) -> Frame:
        """One object for a frame and a share: stages after this one know frames by it."""
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
        """One in, one out."""
        return [self._fades.lift(item)]


class DimStage(Stage[FusedFrame, FusedFrame]):
    """FusedFrame -> FusedFrame."""

    def __init__(self, fades: Fades) -> None:
        self._fades = fades

    def push(self, item: FusedFrame) -> Iterable[FusedFrame]:
        """One in, one out."""
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


def _histogram(luma: Plane, step: int, bits: int) -> npt.NDArray[np.float64]:
    """Pixels in each of the steps of 8 bit."""
    count = (1 << bits) // step
    found = cv2.calcHist([np.ascontiguousarray(luma)], [0], None, [count], [0.0, float(1 << bits)])
    return found.ravel().astype(np.float64)


def _brightest(bracket: Bracket) -> list[Frame]:
    """The frames of the exposure that clips first."""
    rank = bracket.cycle - 1
    pair = bracket.same if bracket.rank == rank else bracket.missing.get(rank)
    found = [] if pair is None else [frame for frame in (pair.before, pair.after) if frame is not None]
    return [*found, bracket.reference] if bracket.rank == rank else found


def _interpolated(levels: dict[int, float], index: int) -> float:
    """The level at a frame, from those around it; the fade goes on evenly beyond them, but not to black."""
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
