"""Lamps on the mains: they pulse at 100 or 120 Hz, and a sensor that is read line by line shows that as rolling bands.

An exposure that lasts a whole number of pulses sees the same light in every line. Others show bands that keep their
distance and move by the same part of it from frame to frame: the pulse's frequency as the frame rate samples it. That
is what is looked for: in the mean luma of strips, over the frames of one exposure, a wave of just that frequency whose
phase runs down the picture.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color_info import luma_range
from streamfuse.core.frame import Frame

FREQUENCIES = (100, 120)  # Hz: twice the mains
_STRIPS = 32
_COLUMN_STEP = 4  # every so many columns is enough for a mean
_FRAMES = 128
_MIN_COUNT = 40  # of one exposure
_EVERY = 32  # frames between two looks
_GAP = 0.3  # log2 of luma between frames of two exposures, at least
_USABLE = (0.03, 0.95)  # mean luma as a share of white: darker is noise, brighter is clipped
_DEPTH = 0.008  # amplitude as a share of the strip's luma, at least
_EXPLAINED = 0.08  # share of what changes in the strips; in moving scenes others explain a tenth of that
_RUNNING = 0.95  # how far the phase runs evenly from strip to strip, 0..1
_PERIODS = 1.0  # of the wave in the frames that are looked at: a slower one is not told from the light of day
# Times of arrival deviate from an even rate by this much, and the frames themselves do not; beyond it some were lost.
_JITTER_SECONDS, _MAX_JITTER_SECONDS = 0.001, 0.03

Strips = npt.NDArray[np.float64]
Wave = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Mains:
    """Flicker of the mains.

    Args:
        hz: pulses of the light per second; two where the frame rate does not tell them apart.
        depth: amplitude of the bands as a share of the luma.
    """

    hz: tuple[int, ...]
    depth: float

    @property
    def periods_us(self) -> tuple[float, ...]:
        """Exposure times in microseconds that show no bands, as do their multiples."""
        return tuple(1e6 / hz for hz in self.hz)

    def __str__(self) -> str:
        times = " or ".join(f"{period / 1000:.3g} ms" for period in self.periods_us)
        return (
            f"lamps on the mains ({' or '.join(map(str, self.hz))} Hz) show as bands that roll through the picture: "
            f"an exposure of {times}, or a multiple of it, avoids them"
        )


class _Fit(NamedTuple):
    explained: float
    depth: float
    running: float  # how evenly the phase runs, 0..1, below 0 where it runs up the picture


class MainsWatch:
    """Looks at frames as they come; costs little, and tells when it has seen the same twice."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Strips]] = deque(maxlen=_FRAMES)
        self._count = 0
        self._before: tuple[int, ...] = ()

    def see(self, frame: Frame, seconds: float) -> Mains | None:
        """Take the next frame.

        Args:
            frame: as captured.
            seconds: when it was taken.

        Returns:
            what was found, each time that it is looked for; mostly None.
        """
        strips = _strips(frame)
        if self._seen and self._seen[-1][0] >= seconds:
            self._seen.clear()
        self._seen.append((seconds, strips))
        self._count += 1
        if self._count % _EVERY:
            return None
        found = find_mains(np.array([time for time, _ in self._seen]), np.array([s for _, s in self._seen]))
        hz = () if found is None else found.hz
        confirmed = found if hz == self._before else None
        self._before = hz
        return confirmed


def find_mains(times: Strips, strips: Strips) -> Mains | None:
    """Give the flicker in these frames, of up to two exposures.

    Args:
        times: (N,) when they were taken, in seconds.
        strips: (N, S) mean luma of strips from top to bottom, as a share of white.
    """
    numbers = np.arange(len(times), dtype=np.float64)
    even = np.asarray(np.polyval(np.polyfit(numbers, times, 1), numbers), dtype=np.float64)
    if _JITTER_SECONDS < (times - even).std() < _MAX_JITTER_SECONDS:
        times = even
    for chosen in _by_exposure(strips.mean(axis=1)):
        level = float(strips[chosen].mean()) if chosen.any() else 0.0
        if chosen.sum() >= _MIN_COUNT and _USABLE[0] < level < _USABLE[1]:
            found = _in_one_exposure(times[chosen], strips[chosen])
            if found is not None:
                return found
    return None


def _strips(frame: Frame) -> Strips:
    black, white = luma_range(frame.bits, frame.color.full_range)
    few = np.ascontiguousarray(frame.luma[:, ::_COLUMN_STEP])
    means = cv2.resize(few, (1, _STRIPS), interpolation=cv2.INTER_AREA).reshape(_STRIPS).astype(np.float64)
    return np.clip((means - black) / (white - black), 1e-3, 1.0)


def _by_exposure(levels: Strips) -> list[npt.NDArray[np.bool_]]:
    """Which frames belong to the darker exposure, and which to the brighter one."""
    order = np.sort(np.log2(levels))
    gaps = np.diff(order)
    if not len(gaps) or gaps.max() < _GAP:
        return [np.ones(len(levels), bool)]
    darker = np.log2(levels) <= order[int(gaps.argmax())]
    return [darker, ~darker]


def _in_one_exposure(times: Strips, strips: Strips) -> Mains | None:
    changes = np.log(strips)
    slow = np.vander(times - times.mean(), 3)  # the light of day, a slow pan
    changes = changes - slow @ np.linalg.lstsq(slow, changes, rcond=None)[0]
    fits = {hz: _fit(times, changes, hz) for hz in FREQUENCIES if _shows(times, hz)}
    good = {
        hz: fit
        for hz, fit in fits.items()
        if fit.explained > _EXPLAINED and fit.depth > _DEPTH and abs(fit.running) > _RUNNING
    }
    if not good:
        return None
    # Where the frame rate shows both alike, the one is the other run backwards: lines are read from the top.
    down = [hz for hz, fit in good.items() if fit.running > 0]
    hz = tuple(down or good)
    return Mains(hz, max(good[f].depth for f in hz))


def _shows(times: Strips, hz: int) -> bool:
    """Tell whether a wave of that frequency moves at this frame rate."""
    step = float(np.median(np.diff(times)))
    alias = abs(hz * step - round(hz * step))
    return alias * len(times) > _PERIODS


def _fit(times: Strips, changes: Strips, hz: int) -> _Fit:
    """Tell how well a wave of that frequency, with a phase for each strip, explains the changes."""
    turn = 2 * np.pi * hz * times
    parts = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    found = np.linalg.lstsq(parts, changes, rcond=1e-3)[0]
    left = changes - parts @ found
    total = float((changes**2).sum())
    wave: Wave = found[0] - 1j * found[1]
    steps = wave[1:] * wave[:-1].conj()
    even = complex(steps.sum() / max(float(np.abs(steps).sum()), 1e-12))
    sign = 1.0 if even.imag >= 0 else -1.0
    return _Fit(
        1 - float((left**2).sum()) / max(total, 1e-12), float(np.median(np.abs(wave))), sign * abs(even)
    )
