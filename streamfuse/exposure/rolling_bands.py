"""Bands of lamps on the mains in a short exposure, undone by the longer one beside it.

The light of such a lamp swings at 100 or 120 Hz. A sensor that is read line by line shows a short exposure lines that
were lit more and lines that were lit less; one that lasts a whole swing shows none of it. So the ratio of two frames
that follow each other is a sine of the line, which runs on by the same angle from frame to frame. That is looked for in
the frames up to this one: one wave for all of them. Where it is proven, R'G'B' of each line is divided by what it had
too much. All else passes as it is, the same object.

Bands that stand still, as where the frame rate divides that of the light (25 frames a second at 50 Hz), are not told
from what the scene and the tone curve of a camera do, and stay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color_info import chroma_range, luma_range
from streamfuse.core.frame import ClassifiedFrame, Frame, Plane
from streamfuse.core.protocols import Stage
from streamfuse.imaging.photometric import GAMMA

Lines = npt.NDArray[np.float64]
Waves = npt.NDArray[np.complex128]

_GRID = (32, 48)  # blocks across and down
_SEEN = (0.05, 0.88)  # luma of a block in the shorter and in the longer exposure, between which it tells
_MIN_ACROSS = 6  # such blocks, for a line to tell
_APART = 0.8  # ln of light by which a line differs from the others at most: more is another thing
_MIN_DOWN = 0.4  # share of the lines
_SWINGS = np.arange(0.75, 8.0, 0.25)  # of the light from the first line to the last
_FRAMES = 6  # of one exposure that are looked at together, this one the last
_MIN_FRAMES = 3
_BELIEVED = (0.5, 0.6)  # share of what changes over the lines that it explains: from here on, and wholly
_WORTH = 0.8  # times that, for a closer look
_DEPTH = (0.03, 0.9)  # amplitude as a share of the light
_RUNS = 0.25  # radians from frame to frame, at least
_SEARCHED = 0.5  # radians around the mean step
_TOGETHER = 0.88  # length of the common wave, the mean of those of the frames being 1, at least
_WHITE = 0.92  # normalised luma from which on what is too bright is darkened less, for white may be clipped


class _Swing(NamedTuple):
    """Light of a line at place 0..1: 1 + share (real sin(turn) + imaginary cos(turn)), turn = 2 pi swings place."""

    swings: float
    wave: complex
    share: float  # of it that is believed

    def earlier(self, angle: float) -> _Swing:
        """Give the wave before it ran on by so many radians."""
        return self._replace(wave=self.wave * complex(np.exp(-1j * angle)))


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """How well each of `_SWINGS` explains the ratio of the lines of one frame.

    Args:
        lines: (lines,) light as a share of that of the longer exposure; not a number where nothing tells.
        explained, total: as `_explained` gives them.
    """

    lines: Lines
    explained: Lines
    total: float

    @property
    def values(self) -> Lines:
        """Give the lines that tell, 1 in the mean."""
        told = self.lines[np.isfinite(self.lines)]
        return told / told.mean()

    @property
    def place(self) -> Lines:
        """Tell where they are, 0..1."""
        return _places(len(self.lines))[np.isfinite(self.lines)]


class BandsStage(Stage[ClassifiedFrame, ClassifiedFrame]):
    """ClassifiedFrame -> ClassifiedFrame, one for one and in order.

    Where a shot begins, the first frames are held until `_MIN_FRAMES` of the darkest exposure are there; from then on
    nothing waits. A frame depends on itself and on what was there up to `_FRAMES` brackets before it.
    """

    def __init__(self) -> None:
        self.undone = 0
        """Frames so far whose bands were undone."""
        self._held: list[ClassifiedFrame] = []
        self._begun = False  # nothing of this shot is held any more
        self._last: dict[int, Lines] = {}  # luma in blocks of the last frame of each exposure, without bands
        self._past: dict[int, deque[_Fit]] = {}

    def push(self, item: ClassifiedFrame) -> Iterable[ClassifiedFrame]:
        """Take the next frame; give those that are ready."""
        apart = item.alone or item.frame.color.is_hdr  # whose code values are no power of light
        out = self.flush() if item.cut or apart else []
        if apart:
            return [*out, item]
        if self._begun:
            return [*out, self._go_on(item)]
        self._held.append(item)
        full = sum(held.rank == 0 for held in self._held) >= _MIN_FRAMES and item.rank > 0
        return out + self._begin() if full else out

    def flush(self) -> list[ClassifiedFrame]:
        """The shot or the input has ended: give what is held."""
        out = self._begin() if self._held else []
        self._begun = False
        self._last.clear()
        self._past.clear()
        return out

    def _begin(self) -> list[ClassifiedFrame]:
        """Give the first frames of a shot, all of them by the wave that they tell together."""
        held, self._held = self._held, []
        self._begun = True
        for rank in range(held[0].cycle - 2, -1, -1):  # the longer exposure before the one that it tells of
            longer = next((_blocks(item.frame) for item in held if item.rank == rank + 1), None)
            places: list[int] = []
            for place, item in enumerate(held):
                if item.rank == rank + 1:
                    longer = _blocks(item.frame)
                elif item.rank == rank and longer is not None:
                    self._remember(item, _blocks(item.frame), longer)
                    places.append(place)
            found = _swing(self._past.get(rank, ()))
            if found is not None:
                for back, place in enumerate(reversed(places)):
                    held[place] = self._undone(held[place], found[0].earlier(back * found[1]))
        self._last = {item.rank: _blocks(item.frame) for item in held}
        return held

    def _go_on(self, item: ClassifiedFrame) -> ClassifiedFrame:
        """Undo the bands of a frame by those before it."""
        if item.repaired:  # what was lost breaks the step of the phase
            self._past.clear()
        blocks, longer = _blocks(item.frame), self._last.get(item.rank + 1)
        if longer is not None:
            self._remember(item, blocks, longer)
            found = _swing(self._past.get(item.rank, ()))
            if found is not None:
                item = self._undone(item, found[0])
                blocks = _blocks(item.frame)
        self._last[item.rank] = blocks
        return item

    def _remember(self, item: ClassifiedFrame, blocks: Lines, longer: Lines) -> None:
        """Keep what the lines of a frame tell; where they tell nothing, what was before them is forgotten, too."""
        past, fit = self._past.setdefault(item.rank, deque(maxlen=_FRAMES)), _fit(_ratio(blocks, longer))
        if fit is None:
            past.clear()
        else:
            past.append(fit)

    def _undone(self, item: ClassifiedFrame, swing: _Swing) -> ClassifiedFrame:
        self.undone += 1
        return replace(item, frame=replace(item.frame, planes=_evened(item.frame, swing)))


def _blocks(frame: Frame) -> Lines:
    """Give normalised luma in blocks of `_GRID`."""
    black, white = luma_range(frame.bits, frame.color.full_range)
    size = min(_GRID[0], frame.width), min(_GRID[1], frame.height)
    down, across = (
        max(side // (4 * blocks), 1) for side, blocks in zip(frame.luma.shape, size[::-1], strict=True)
    )
    few = np.ascontiguousarray(frame.luma[::down, ::across])  # are enough for a mean
    small = cv2.resize(few, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    return (small - black) / (white - black)


def _ratio(dark: Lines, bright: Lines) -> Lines:
    """(lines,) light of the darker exposure as a share of the brighter one's; not a number where nothing tells."""
    if dark.shape != bright.shape:
        return np.full(len(dark), np.nan)
    seen = (dark > _SEEN[0]) & (bright < _SEEN[1]) & (bright > _SEEN[0])
    counts = seen.sum(axis=1)
    ratios = np.sort(
        np.where(seen, dark / np.maximum(bright, _SEEN[0]), np.inf), axis=1
    )  # what tells comes first
    middle = np.take_along_axis(ratios, (counts // 2).clip(max=dark.shape[1] - 1)[:, None], axis=1)[:, 0]
    lines = np.where(counts >= _MIN_ACROSS, middle, np.nan) ** GAMMA
    usual = np.nanmedian(lines) if np.isfinite(lines).any() else 1.0
    return np.where(np.abs(np.log(lines / usual)) < _APART, lines, np.nan)


def _fit(lines: Lines) -> _Fit | None:
    """Fit each of `_SWINGS` to a ratio of lines; None where too few lines tell."""
    seen = np.isfinite(lines)
    if seen.mean() < _MIN_DOWN:
        return None
    values = lines[seen] / lines[seen].mean()
    explained, _, total = _explained(values, _places(len(lines))[seen], _SWINGS)
    return _Fit(lines, explained, total)


def _explained(values: Lines, place: Lines, swings: Lines) -> tuple[Lines, Waves, float]:
    """Give the sum of squares that each swing explains, its wave as a share of the light, and all there is to explain.

    Args:
        values: (lines,) light, 1 in the mean.
        place: (lines,) 0..1.
        swings: (K,) as in `_Swing`.
    """
    slow = np.linalg.qr(np.stack([np.ones_like(place), place], axis=1))[0]
    left = values - slow @ (slow.T @ values)
    turns = 2 * np.pi * swings[:, None] * place
    waves = np.stack([np.sin(turns), np.cos(turns)], axis=1)  # (K, 2, lines)
    parts = waves - (waves @ slow) @ slow.T
    target = parts @ left
    gram = parts @ parts.transpose(0, 2, 1) + 1e-9 * np.eye(2)
    found = np.linalg.solve(gram, target[..., None])[..., 0]
    level = 1 - (waves.mean(axis=2) * found).sum(axis=1)  # of the light without its wave
    of_level = (found[:, 0] + 1j * found[:, 1]) / np.maximum(level, 0.1)
    return (found * target).sum(axis=1), of_level, float(left @ left)


def _swing(fits: Sequence[_Fit]) -> tuple[_Swing, float] | None:
    """Give what swings in frames of one exposure, in order: in the last of them, and the step of phase to it.

    None where nothing is proven.
    """
    if len(fits) < _MIN_FRAMES:
        return None
    total = max(sum(fit.total for fit in fits), 1e-12)
    explained: Lines = np.sum([fit.explained for fit in fits], axis=0) / total
    best = int(np.argmax(explained))
    if explained[best] < _WORTH * _BELIEVED[0]:
        return None
    swings = _peak(_SWINGS, explained, best)
    finer = [_explained(fit.values, fit.place, np.array([swings])) for fit in fits]
    part, waves = sum(float(fit[0][0]) for fit in finer) / total, np.array([fit[1][0] for fit in finer])
    share = float(np.clip((part - _BELIEVED[0]) / (_BELIEVED[1] - _BELIEVED[0]), 0, 1))
    # All frames tell of one wave that runs on: it is known better than by each of them.
    step = float(np.angle((waves[1:] * waves[:-1].conj()).sum()))
    numbers, near = np.arange(1 - len(waves), 1), step + np.linspace(-_SEARCHED, _SEARCHED, 101)
    sums = np.exp(-1j * near[:, None] * numbers) @ waves / len(waves)
    at = int(np.argmax(np.abs(sums)))
    wave, step = complex(sums[at]), float(near[at])
    together = abs(wave) / max(float(np.abs(waves).mean()), 1e-12)
    if share == 0 or together < _TOGETHER or not _DEPTH[0] < abs(wave) < _DEPTH[1] or abs(step) < _RUNS:
        return None
    return _Swing(swings, wave, share), step


def _peak(places: Lines, heights: Lines, top: int) -> float:
    """Give the place of the peak of a parabola through the highest of some even places and those beside it."""
    if not 0 < top < len(places) - 1:
        return float(places[top])
    before, here, after = heights[top - 1 : top + 2]
    return float(places[top] + (places[1] - places[0]) * (before - after) / 2 / (before - 2 * here + after))


def _places(lines: int) -> Lines:
    return (np.arange(lines) + 0.5) / lines


def _evened(frame: Frame, swing: _Swing) -> tuple[Plane, ...]:
    """Give the planes, R'G'B' of each line divided by the light that it had."""
    full, last = frame.color.full_range, (1 << frame.bits) - 1
    black, white = luma_range(frame.bits, full)
    out = []
    for number, plane in enumerate(frame.planes):
        centre = black if number == 0 else chroma_range(frame.bits, full)[0]
        turns = 2 * np.pi * swing.swings * (np.arange(plane.shape[0]) + 0.5) / plane.shape[0]
        light = 1 + swing.share * (swing.wave.real * np.sin(turns) + swing.wave.imag * np.cos(turns))
        gains = (np.maximum(light, 0.1) ** (-1 / GAMMA)).astype(np.float32)[:, None]
        off = plane.astype(np.float32) - np.float32(centre)
        if number == 0:
            near = np.clip((off / np.float32(white - black) - _WHITE) / (1 - _WHITE), 0, 1)
            gains = np.where(gains < 1, gains + (1 - gains) * near, gains)
        out.append(np.clip(np.rint(off * gains + centre), 0, last).astype(plane.dtype))
    return tuple(out)
