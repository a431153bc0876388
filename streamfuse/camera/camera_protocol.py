"""The small protocol behind which all cameras look alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol

from streamfuse.core.frame import Exposure, Frame

if TYPE_CHECKING:
    from streamfuse.capture.avframe import DecodedPicture

TIME_BASE = Fraction(1, 1_000_000)  # of the frames that cameras deliver


def taken(picture: DecodedPicture, captured: float, exposure: Exposure | None = None) -> Frame:
    """Give the frame of a picture that was taken at a moment of `time.monotonic`, with the exposure that it tells."""
    pts = round(captured / TIME_BASE)
    return Frame(*picture, pts=pts, time_base=TIME_BASE, index=0, exposure=exposure, captured_at=captured)


@dataclass(frozen=True, slots=True)
class CameraMode:
    """What the camera really delivers, which is not always what was asked for.

    Args:
        width, height: in pixels.
        rate: nominal frames per second.
        pixel_format: as the camera or the codec calls it, such as MJPG or h264.
        rate_is: where the rate is from: `told` by the camera, `measured` since it does not tell, or `assumed`.
    """

    width: int
    height: int
    rate: Fraction
    pixel_format: str
    rate_is: Literal["told", "measured", "assumed"] = "told"

    def __str__(self) -> str:
        what = f"{self.width}x{self.height} {self.pixel_format} at"
        if self.rate_is == "told":
            return f"{what} {float(self.rate):g} frames per second"
        return (
            f"{what} about {float(self.rate):g} frames per second ({self.rate_is}: the stream does not tell)"
        )


@dataclass(frozen=True, slots=True)
class ExposureLimits:
    """What a camera can be told.

    Args:
        time_us: (shortest, longest) exposure in microseconds; the longest fits between two frames.
        gain: (least, most) linear gain; equal where it is not controlled.
        step_us: exposure times are multiples of this; 0: any is possible.
    """

    time_us: tuple[float, float]
    gain: tuple[float, float] = (1.0, 1.0)
    step_us: float = 0.0

    @property
    def ev(self) -> tuple[float, float]:
        """(darkest, brightest), as `Exposure.ev` counts."""
        return math.log2(self.time_us[0] * self.gain[0]), math.log2(self.time_us[1] * self.gain[1])

    def exposure(self, ev: float, rank: int | None = None) -> Exposure:
        """Give the exposure for an EV inside the limits: a longer time comes first, then gain, which brings noise."""
        low, high = self.ev
        light = 2.0 ** min(max(ev, low), high)
        time_us = min(max(light / self.gain[0], self.time_us[0]), self.time_us[1])
        if self.step_us:
            steps = min(round(time_us / self.step_us), math.floor(self.time_us[1] / self.step_us))
            time_us = max(steps * self.step_us, self.time_us[0])
        return Exposure(
            time_us=time_us, gain=min(max(light / time_us, self.gain[0]), self.gain[1]), rank=rank
        )


class EndedError(Exception):
    """The source has come to its end and will not go on (a simulated one with a number of frames)."""


class Camera(Protocol):
    """An open camera; used by one thread at a time."""

    @property
    def name(self) -> str:
        """Give what to call it in messages; never holds a credential."""

    @property
    def mode(self) -> CameraMode:
        """Give what it really delivers."""

    @property
    def limits(self) -> ExposureLimits | None:
        """Give the exposures that it can be told; None: it cannot be told any.

        Whether it is told any is the caller's affair. What a driver has to switch off first, such as automatic
        exposure, it leaves on unless `CameraOptions.drive`.
        """

    @property
    def exposure(self) -> Exposure | None:
        """Give what it was found at when it was opened; None: unknown."""

    @property
    def lost(self) -> int:
        """Frames so far that it lost, as far as it tells."""

    def set_exposure(self, exposure: Exposure) -> None:
        """Ask for an exposure; real cameras obey some frames later, and not always.

        Raises:
            CameraError: it was lost, or refuses.
        """

    def grab(self, timeout: float) -> Frame | None:
        """Give the next frame, with `captured_at`, and with `exposure` where the camera's metadata tell it.

        None if nothing came within `timeout` seconds; damaged frames are left out.

        Raises:
            CameraError: it was lost.
            EndedError: there will be no more.
        """

    def close(self) -> None:
        """Give the device back as it was found; may be called more than once."""
