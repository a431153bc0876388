"""The bracket controller: which two exposures the light of a scene asks for.

Under is right when its highlights are unclipped and still bright; over is right when its shadows stand clear of the
noise. Both have a band in which nothing is done, and beyond it they go towards its middle in limited steps, so that
the exposures come to rest whatever the tone curve of the camera is.
"""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from streamfuse.camera.camera_protocol import ExposureLimits
from streamfuse.core.color_info import luma_range
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import UsageError

Mode = Literal["auto", "manual"]

_SAMPLES = 128  # luma is looked at on a grid of about so many points a side
_HIGHLIGHTS, _SHADOWS = 99.5, 5.0  # percentiles
_CLIPPED = 0.97  # highlights above this share of white are clipped; by how much cannot be seen
_UNDER_BAND = (0.60, 0.92)  # where the highlights of under may be, as a share of white
_OVER_BAND = (0.10, 0.30)  # where the shadows of over may be
_BLACK = 0.02  # shares of white below this tell nothing but noise
_GAMMA = 2.2  # assumed of the camera; a wrong guess only makes a step too long or too short
_DAMPING = 0.7
_STEP_EV = 0.5
_STEP_SHARE = 0.15  # of the gap: more would make a frame of the new exposure look like neither
_GAPS = (1.5, 6.0)  # EV between the exposures: less cannot be told apart, more cannot be aligned
_DEFAULT_GAP = 3.0
_BIAS = 6.0
_BEAT_EV = 0.5  # by which an exposure may be lengthened to last a whole beat of the light
_BEAT_STAYS_EV = 0.75


class Reading(NamedTuple):
    """What matters of one frame, as shares of white (0..1).

    Args:
        highlights: level of the brightest points, a few left out.
        shadows: level of the darkest points, a few left out.
    """

    highlights: float
    shadows: float


def read(frame: Frame) -> Reading:
    """Measure a frame's luma on a coarse grid."""
    luma = frame.luma
    down, across = max(1, luma.shape[0] // _SAMPLES), max(1, luma.shape[1] // _SAMPLES)
    black, white = luma_range(frame.bits, frame.color.full_range)
    level = (luma[::down, ::across].astype(np.float32) - black) / (white - black)
    shadows, highlights = np.percentile(level, [_SHADOWS, _HIGHLIGHTS])
    return Reading(float(highlights), float(shadows))


class BracketController:
    """Follows the light with two exposures; `set` may be called from any thread.

    Args:
        limits: what the camera can be told.
        exposures: (under, over) to begin with; None: around `found`.
        found: the exposure that the camera's own automatic had chosen; None: the middle of the limits.
        gap_ev: fixed gap; None: as the scene needs it, 1.5 to 6 EV.
        auto: follow the light.

    Raises:
        UsageError: the camera's exposures do not reach 1.5 EV, which is too little to tell two apart.
    """

    def __init__(
        self,
        limits: ExposureLimits,
        exposures: tuple[Exposure, Exposure] | None = None,
        found: Exposure | None = None,
        gap_ev: float | None = None,
        auto: bool = True,
    ) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        low, high = limits.ev
        if high - low < _GAPS[0]:
            raise UsageError(
                f"The camera's exposures reach over {high - low:.1f} EV only, which is not enough for a bracket."
            )
        if exposures is not None:
            under, over = (exposure.ev or 0.0 for exposure in exposures)
        else:
            middle = (low + high) / 2 if found is None or found.ev is None else found.ev
            gap = gap_ev or _DEFAULT_GAP
            under, over = middle - gap / 2, middle + gap / 2
        self._beat_us: float | None = None  # exposure times are multiples of this where they can be
        self._beats = [0, 0]  # how many of them each exposure lasts
        self._mode: Mode = "auto" if auto else "manual"
        self._gap = gap_ev
        self._ev = self._held = self._allowed(under, over, gap_ev)

    @property
    def exposures(self) -> tuple[Exposure, Exposure]:
        """(under, over), with rank, as the camera should be told."""
        with self._lock:
            under, over = (self._limits.exposure(ev, rank) for rank, ev in enumerate(self._ev))
            return self._on_beat(under, 0), self._on_beat(over, 1)

    def keep_to_beat(self, beat_us: float) -> None:
        """Set exposure times in auto to multiples of this, in microseconds, where they are not much shorter.

        Light that pulses so often is then the same in every line. The gain makes up for the difference where it can.
        """
        with self._lock:
            self._beat_us = beat_us

    @property
    def gap_ev(self) -> float:
        """Between under and over, in EV."""
        with self._lock:
            return self._ev[1] - self._ev[0]

    def set(self, mode: Mode, bias_ev: float = 0.0, gap_ev: float | None = None) -> None:
        """Tell it what to do.

        Args:
            mode: `auto` follows the light; `manual` holds the exposures of the moment when it was first asked for.
            bias_ev: shifts both exposures, in manual.
            gap_ev: fixed gap; None: in auto as the scene needs it, in manual as it was.

        Raises:
            UsageError: a value out of its range.
        """
        if mode not in ("auto", "manual"):
            raise UsageError(f"The exposure mode {mode!r} does not exist: use auto or manual.")
        if not abs(bias_ev) <= _BIAS:  # also refuses a NaN
            raise UsageError(f"An exposure bias of {bias_ev:g} EV is out of range: give -6 to 6.")
        if gap_ev is not None and not _GAPS[0] <= gap_ev <= _GAPS[1]:
            raise UsageError(
                f"An exposure gap of {gap_ev:g} EV is out of range: give {_GAPS[0]:g} to {_GAPS[1]:g}."
            )
        with self._lock:
            if mode == "manual":
                if self._mode == "auto":
                    self._held = self._ev
                under, over = self._held
                gap = gap_ev or over - under
                middle = (under + over) / 2 + bias_ev
                self._ev = self._allowed(middle - gap / 2, middle + gap / 2, gap)
            self._mode, self._gap = mode, gap_ev

    def update(self, under: Reading, over: Reading) -> bool:
        """Look at a frame of each exposure, both taken with the exposures of now; True if they change.

        In auto each exposure moves by half an EV or by a part of the gap at most, and not at all inside its band.
        """
        with self._lock:
            if self._mode == "manual":
                return False
            before = self._ev
            step = min(_STEP_EV, _STEP_SHARE * (before[1] - before[0]))
            darker = before[0] + _under_step(under, step)
            # With a fixed gap under leads: what is clipped in both is lost.
            brighter = (
                before[1] + _step(over.shadows, _OVER_BAND, step) if self._gap is None else darker + self._gap
            )
            self._ev = self._allowed(darker, brighter, self._gap)
            return self._ev != before

    def _on_beat(self, wanted: Exposure, rank: int) -> Exposure:
        """Give the exposure whose time is a multiple of the beat and that is nearest to what is wanted."""
        time_us, gain, beat = wanted.time_us or 0.0, wanted.gain or 1.0, self._beat_us
        if beat is None or self._mode != "auto" or time_us < beat * 2.0**-_BEAT_EV:
            self._beats[rank] = 0
            return wanted
        most = math.floor(self._limits.time_us[1] / beat)
        if most < 1:
            return wanted
        exact = time_us / beat
        count = self._beats[rank]
        # What was chosen stays until it is clearly wrong: a change of a whole beat is a leap.
        if not 1 <= count <= most or abs(math.log2(exact / count)) > _BEAT_STAYS_EV:
            near = {1, math.floor(exact), math.ceil(exact)}
            count = min(
                (n for n in near if 1 <= n <= most), key=lambda n: abs(math.log2(exact / n)), default=most
            )
        self._beats[rank] = count
        step = self._limits.step_us
        lasts = count * beat if not step else max(round(count * beat / step), 1) * step
        low, high = self._limits.gain
        return replace(wanted, time_us=lasts, gain=_between(low, time_us * gain / lasts, high))

    def _allowed(self, under: float, over: float, gap: float | None) -> tuple[float, float]:
        """Give what the camera can do, with this gap, or with one in its bounds.

        Where the bounds of the gap are in the way, the darker exposure wins; so neither pushes the other to and fro.
        """
        low, high = self._limits.ev
        if gap is not None:
            gap = min(gap, high - low)
            under = _between(low, under, high - gap)
            return under, under + gap
        least, most = _GAPS
        under, over = _between(low, under, high - least), _between(low + least, over, high)
        over = min(over, under + most)
        return min(under, over - least), over


def _under_step(seen: Reading, limit: float) -> float:
    """EV by which under should move."""
    return -limit if seen.highlights > _CLIPPED else _step(seen.highlights, _UNDER_BAND, limit)


def _step(level: float, band: tuple[float, float], limit: float) -> float:
    """EV towards the middle of the band, damped and limited; 0 inside of it."""
    if band[0] <= level <= band[1]:
        return 0.0
    wanted = _GAMMA * math.log2(math.sqrt(band[0] * band[1]) / max(level, _BLACK))
    return _between(-limit, _DAMPING * wanted, limit)


def _between(low: float, value: float, high: float) -> float:
    return min(max(value, low), high)
