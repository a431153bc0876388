"""Damps flicker of the whole picture: lamps on the mains, exposure that jumps by a little.

How much brighter a frame is than the one before is the median over small blocks, which things that move do not change.
The sum of these steps is a path; a frame is brought to the mean of the path around it, with weights 1, 4, 6, 4, 1.
That is cos^4 of the frequency: a ripple of three frames (100 Hz light at 30 frames a second) is damped to 1/16,
alternation to 0, and a scene that grows steadily brighter or darker is left alone. The support is finite: frame t
depends on t - 2 to t + 2, so that any segment of a film can be fused on its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color_info import chroma_range, luma_range
from streamfuse.core.frame import FusedFrame, Plane
from streamfuse.core.one_buffer import empty_planes
from streamfuse.core.protocols import Stage

Blocks = npt.NDArray[np.float32]

_WEIGHTS = (6.0, 4.0, 1.0)  # of the frame itself, its neighbours, and theirs; of 16
_REACH = len(_WEIGHTS) - 1
_GRID = (32, 18)  # blocks across and down
_SEEN = (0.06, 0.94)  # normalised luma between which a block tells of the light
_CALM = 0.002  # ln of luma: less is no flicker but measurement, and is left as it is
_SUDDEN = 0.25  # ln of luma: more is a cut or a light that was switched, not flicker


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A frame, its blocks, and the step to it: None = nothing connects it with the frame before."""

    frame: FusedFrame
    blocks: Blocks
    step: float | None


class Deflicker(Stage[FusedFrame, FusedFrame]):
    """FusedFrame -> FusedFrame, two instants later."""

    delay = _REACH

    def __init__(self) -> None:
        self._held: deque[_Held] = deque(maxlen=2 * _REACH + 1)
        self._given = 0  # of those in `_held`, from its beginning

    def push(self, item: FusedFrame) -> Iterable[FusedFrame]:
        """Take instant t, give t - 2."""
        blocks = _blocks(item)
        step = _step(self._held[-1].blocks, blocks) if self._held else None
        if len(self._held) == self._held.maxlen:
            self._given -= 1
        self._held.append(_Held(item, blocks, step))
        if len(self._held) - self._given > _REACH:
            yield self._next()

    def flush(self) -> Iterable[FusedFrame]:
        """Give the last instants."""
        while self._given < len(self._held):
            yield self._next()
        self._held.clear()
        self._given = 0

    def _next(self) -> FusedFrame:
        at = self._given
        self._given += 1
        total, weight = 0.0, _WEIGHTS[0]
        for distance in range(1, _REACH + 1):
            before, after = self._path(at, -distance), self._path(at, distance)
            if before is None or after is None:  # one side alone would mistake a steady change for flicker
                break
            total += _WEIGHTS[distance] * (before + after)
            weight += 2 * _WEIGHTS[distance]
        return _scaled(self._held[at].frame, total / weight)

    def _path(self, at: int, distance: int) -> float | None:
        """ln of how much brighter the frame at this distance is."""
        first, last = sorted((at, at + distance))
        if first < 0 or last >= len(self._held):
            return None
        steps = [self._held[place].step for place in range(first + 1, last + 1)]
        known = [step for step in steps if step is not None]
        if len(known) < len(steps):
            return None
        return sum(known) if distance > 0 else -sum(known)


def _blocks(frame: FusedFrame) -> Blocks:
    black, white = luma_range(frame.bits, frame.color.full_range)
    size = min(_GRID[0], frame.width), min(_GRID[1], frame.height)
    small = cv2.resize(frame.luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray((small - np.float32(black)) / np.float32(white - black), np.float32)


def _step(before: Blocks, after: Blocks) -> float | None:
    """ln of how much brighter the light became; None at a cut, or where nothing is to be seen."""
    if before.shape != after.shape:
        return None
    low, high = np.minimum(before, after), np.maximum(before, after)
    seen = (low > _SEEN[0]) & (high < _SEEN[1])
    if seen.sum() < max(1, seen.size // 8):
        return None
    steps = np.log(after[seen] / before[seen])
    middle = float(np.median(steps))
    spread = float(np.median(np.abs(steps - middle)))
    return None if abs(middle) > _SUDDEN or spread > _SUDDEN else middle


def _scaled(frame: FusedFrame, gain: float) -> FusedFrame:
    """Give the frame with luma and chroma times exp(gain); white stays white."""
    gain = float(np.sign(gain)) * max(abs(gain) - _CALM, 0.0)
    if gain == 0.0:
        return frame
    factor = float(np.exp(gain))
    black, white = luma_range(frame.bits, frame.color.full_range)
    codes = np.arange(1 << frame.bits, dtype=np.float32)
    light = np.clip((codes - black) / (white - black), 0.0, None)
    share = np.clip((1.0 - light) * 5.0, 0.0, 1.0)  # of the correction: fades out towards white
    luma = codes + (factor - 1.0) * share * light * (white - black)
    neutral, _ = chroma_range(frame.bits, frame.color.full_range)
    chroma = neutral + (codes - neutral) * factor
    planes = empty_planes(frame.planes)
    for plane, values, out in zip(frame.planes, (luma, chroma, chroma), planes, strict=False):
        _look_up(plane, values, frame.bits, out)
    return replace(frame, planes=planes, stats={**frame.stats, "flicker_gain": factor})


def _look_up(plane: Plane, values: npt.NDArray[np.floating], bits: int, out: Plane) -> None:
    table = np.clip(np.rint(values), 0, (1 << bits) - 1).astype(plane.dtype)
    if plane.dtype == np.uint8:
        cv2.LUT(plane, table, dst=out)
    else:
        np.take(table, plane, out=out, mode="clip")
