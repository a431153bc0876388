"""`simcam:`, a simulated camera with the manners of real ones: it obeys late, sometimes not at all, and falls out."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from urllib.parse import parse_qsl

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.camera.camera_protocol import TIME_BASE, CameraMode, ExposureLimits
from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure, Frame
from streamfuse.core.rates import read_rate
from streamfuse.core.spec_options import Parsers, read_options, size, switch, with_size
from streamfuse.errors import CameraError, UsageError
from streamfuse.synthetic.paint import Image
from streamfuse.synthetic.scene import scene
from streamfuse.synthetic.sensor import FULL_WELL, NOISE_SLACK, READ_NOISE, gamma_table, noise_picture

Codes = npt.NDArray[np.uint16]  # (H, W, 3)

_COLOR = ColorInfo(matrix=1, primaries=1, transfer=1, full_range=False)
_BASE_US = 500.0  # exposure time at which the brightest cloud is white
_SHORTEST_US = 50.0
_MAX_GAIN = 8.0
_DRIFT_SECONDS = 11.0
_UNPLUGGED_SECONDS = 1.0
_WAITING = 2  # frames that wait for the consumer before the oldest is lost
_READOUT = 0.8  # of a frame's time, from the first line to the last
_KEPT = 4096  # true exposures that are remembered


@dataclass(frozen=True, slots=True)
class SimulatedSettings:
    """How the camera behaves.

    Args:
        width, height: in pixels.
        rate: frames per second.
        latency: (fewest, most) frames until a change of exposure lands; drawn for each change.
        mixed: the last frame before a change lands shows both exposures, as a rolling shutter does
            (not with `metadata`).
        skip: probability that a change is ignored.
        drift: amplitude in EV of a gain that wanders by itself.
        lost: probability that a frame is lost.
        jitter: standard deviation of the time stamps, in frames.
        disconnect: seconds after which the camera falls out for one second, again and again; 0: never.
        metadata: frames tell their exposure.
        mains: pulses of the light per second, as of lamps on the mains (100 or 120); 0: it is steady.
        ripple: amplitude of these pulses as a share of the light; 1: it goes out between them.
        seed: of everything that is drawn.

    Raises:
        UsageError: a value out of its range.
    """

    width: int = 640
    height: int = 360
    rate: Fraction = Fraction(30)
    latency: tuple[int, int] = (3, 3)
    mixed: bool = True
    skip: float = 0.0
    drift: float = 0.0
    lost: float = 0.0
    jitter: float = 0.0
    disconnect: float = 0.0
    metadata: bool = False
    mains: float = 0.0
    ripple: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        fits: Mapping[str, bool] = {
            "size": 16 <= min(self.width, self.height) <= max(self.width, self.height) <= 8192,
            "rate": 0 < self.rate <= 1000,
            "latency": 1 <= self.latency[0] <= self.latency[1] <= 12,
            "skip": 0 <= self.skip < 1,
            "drift": 0 <= self.drift <= 4,
            "lost": 0 <= self.lost < 1,
            "jitter": 0 <= self.jitter <= 1,
            "disconnect": self.disconnect == 0 or self.disconnect > _UNPLUGGED_SECONDS,
            "mains": 0 <= self.mains <= 1000,
            "ripple": 0 <= self.ripple <= 1,
            "seed": self.seed >= 0,
        }
        for name, right in fits.items():
            if not right:
                raise UsageError(f"The simulated camera's {name} is out of range.")


class SimulatedSensor:
    """The camera itself, which stays while connections come and go.

    Args:
        settings: how it behaves.
        paced: in real time; False: as fast as frames are taken, on a clock of its own.
        light: EV by which the scene is brighter than the built-in one, by seconds.

    Attributes:
        truth: what each of the last frames was really taken with, by `captured_at`; None: with two exposures.
    """

    def __init__(
        self,
        settings: SimulatedSettings,
        *,
        paced: bool = True,
        light: Callable[[float], float] = lambda seconds: 0.0,
    ) -> None:
        self.settings, self._paced, self._light = settings, paced, light
        self.lost = 0
        self.truth: dict[float, Exposure | None] = {}
        self._number = 0
        self._began = time.monotonic()
        self._random = np.random.default_rng((settings.seed, 7))
        self._exposure = Exposure(time_us=4 * _BASE_US, gain=1.0)
        self._coming: deque[tuple[int, Exposure]] = deque()
        self._delivered: tuple[float, ...] = ()
        longest = min(1e6 / float(settings.rate), 100_000.0)
        self.limits = ExposureLimits((_SHORTEST_US, longest), (1.0, _MAX_GAIN))

    @property
    def exposure(self) -> Exposure:
        """Give what it stands at now."""
        return self._exposure

    @property
    def unplugged(self) -> bool:
        """Tell whether it is out at this moment."""
        every = self.settings.disconnect
        return every > 0 and self._now() >= every and self._now() % every < _UNPLUGGED_SECONDS

    def check(self) -> None:
        """Is it there?

        Raises:
            CameraError: it is unplugged.
        """
        if self.unplugged:
            self._number += not self._paced  # on a clock of its own, time has to go on
            raise CameraError("The simulated camera was unplugged: it comes back in a second.")

    def clock(self) -> float:
        """Give the present, as `captured_at` counts."""
        return time.monotonic() if self._paced else self._now()

    def command(self, exposure: Exposure) -> None:
        """Take note of an exposure, for later or never."""
        if self._random.random() < self.settings.skip:
            return
        low, high = self.settings.latency
        present = max(self._number, int(self._now() * float(self.settings.rate)))
        lands = present + int(self._random.integers(low, high + 1))
        self._coming.append((max([lands, *(frame for frame, _ in self._coming)]), exposure))

    def expose(self, timeout: float) -> Frame | None:
        """Give the next frame that is not lost; None: not within that time."""
        ready = self._began + (self._number + 1) / float(self.settings.rate)
        wait = ready - time.monotonic() if self._paced else 0.0
        if wait > 0:
            time.sleep(min(wait, timeout))
            if wait > timeout:
                return None
        if self._paced:  # a sensor does not wait for those who are slow
            missed = max(0, int((time.monotonic() - ready) * float(self.settings.rate)) - _WAITING)
            self._number += missed
            self.lost += missed
        self._number += 1
        before, cut = self._exposure, False
        while self._coming and self._coming[0][0] <= self._number:
            self._exposure = self._coming.popleft()[1]
        if (
            self.settings.mixed
            and not self.settings.metadata
            and self._coming
            and self._coming[0][0] == self._number + 1
        ):
            cut = self._coming[0][1] != before
        if self._random.random() < self.settings.lost:
            self.lost += 1
            return None
        return self._frame(self._coming[0][1] if cut else None)

    def _now(self) -> float:
        """Seconds since the beginning."""
        if self._paced:
            return time.monotonic() - self._began
        return self._number / float(self.settings.rate)

    def _frame(self, mixed_with: Exposure | None) -> Frame:
        settings = self.settings
        seconds = self._number / float(settings.rate)
        light = scene(settings.width, settings.height, settings.seed).radiance(seconds)
        drift = settings.drift * math.sin(2 * math.pi * seconds / _DRIFT_SECONDS) + self._light(seconds)
        picture = self._developed(light * self._lamps(seconds, self._exposure), self._exposure, drift)
        if mixed_with is not None:
            cut = int(self._random.integers(1, settings.height))
            below = (light * self._lamps(seconds, mixed_with))[cut:]
            picture[cut:] = self._developed(below, mixed_with, drift)
        shift = (
            float(self._random.normal(0, settings.jitter)) / float(settings.rate) if settings.jitter else 0.0
        )
        captured = (self._began if self._paced else 0.0) + seconds + shift
        if self._paced:
            captured = min(captured, time.monotonic())
        self.truth[captured] = None if mixed_with is not None else self._exposure
        if len(self.truth) > _KEPT:
            del self.truth[next(iter(self.truth))]
        told = replace(self._exposure, rank=None) if settings.metadata else None
        return Frame(
            planes=rgb_to_planes(picture, bits=8, subsampling=(1, 1), color=_COLOR),
            bits=8,
            subsampling=(1, 1),
            color=_COLOR,
            pts=round((seconds + shift) / TIME_BASE),
            time_base=TIME_BASE,
            index=self._number,
            exposure=told,
            captured_at=captured,
        )

    def _lamps(self, seconds: float, exposure: Exposure) -> Image:
        """(H, 1, 1) light of each line, which pulses and is collected over the exposure; the lines begin in turn."""
        settings = self.settings
        rows = np.arange(settings.height, dtype=np.float64) / settings.height
        begin = seconds + _READOUT * rows / float(settings.rate)
        lasts = (exposure.time_us or _BASE_US) * 1e-6
        left = settings.ripple * np.sinc(settings.mains * lasts) if settings.mains else 0.0
        factor = 1 + left * np.cos(2 * np.pi * settings.mains * (begin + lasts / 2))
        return factor.astype(np.float32).reshape(-1, 1, 1)

    def _developed(self, light: Image, exposure: Exposure, drift: float) -> Codes:
        """Linear light as noisy, gamma-coded R'G'B' of 16 bit."""
        gain = exposure.gain or 1.0
        scale = (exposure.time_us or _BASE_US) * gain / _BASE_US * 2.0**drift
        signal = np.minimum(light * np.float32(scale), np.float32(2.0))
        sigma = cv2.sqrt(signal * np.float32(gain / FULL_WELL) + np.float32((READ_NOISE * gain) ** 2))
        top, left = self._random.integers(0, NOISE_SLACK, 2)
        height, width = light.shape[:2]
        noise = noise_picture(self.settings.height, self.settings.width, 3)
        signal += np.asarray(sigma) * noise[top : top + height, left : left + width]
        codes = (np.clip(signal, 0, 1) * np.float32(65535) + np.float32(0.5)).astype(np.uint16)
        return gamma_table()[codes]


class SimulatedCamera:
    """A connection to the sensor.

    Raises:
        CameraError: it is unplugged.
    """

    name = "simcam"

    def __init__(self, sensor: SimulatedSensor) -> None:
        self._sensor = sensor
        self._lost_before = sensor.lost
        self._sensor.check()
        settings = sensor.settings
        self.mode = CameraMode(settings.width, settings.height, settings.rate, "simulated")
        self.limits: ExposureLimits | None = sensor.limits
        self.exposure: Exposure | None = sensor.exposure

    @property
    def lost(self) -> int:
        """Frames that the sensor lost since it was connected."""
        return self._sensor.lost - self._lost_before

    def set_exposure(self, exposure: Exposure) -> None:
        """Ask the sensor.

        Raises:
            CameraError: it is unplugged.
        """
        self._sensor.check()
        self._sensor.command(exposure)

    def grab(self, timeout: float) -> Frame | None:
        """Give the next frame.

        Raises:
            CameraError: it is unplugged.
        """
        frame = self._sensor.expose(timeout)
        self._sensor.check()
        return frame

    def close(self) -> None:
        """Nothing to give back."""


def parse_simulated(spec: str) -> SimulatedSettings:
    """Read `simcam:?size=1280x720&latency=2-6&skip=0.05`; keys as the fields of `SimulatedSettings`, and `size`.

    Raises:
        UsageError: a misspelt key, or a value that does not fit.
    """
    given = parse_qsl(spec.partition(":")[2].removeprefix("?"), keep_blank_values=True)
    return SimulatedSettings(**with_size(read_options(repr(spec), given, _PARSERS)))


def _latency(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)


_FLOATS = ("skip", "drift", "lost", "jitter", "disconnect", "mains", "ripple")
_PARSERS: Parsers = {
    "size": ("size", size),
    "rate": ("rate", read_rate),
    "latency": ("latency", _latency),
    "mixed": ("mixed", switch),
    "metadata": ("metadata", switch),
    "seed": ("seed", int),
    **{name: (name, float) for name in _FLOATS},
}
