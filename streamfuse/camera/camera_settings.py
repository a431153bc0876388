"""What can be asked of a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from streamfuse.core.frame import Exposure
from streamfuse.errors import UsageError

Transport = Literal["auto", "tcp", "udp", "multicast", "http"]
Damaged = Literal["drop", "keep"]


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """How to open and drive a camera; what it cannot do is left out and shows in its mode.

    Args:
        size: (width, height) in pixels; None: the camera's own.
        fps: frames per second as delivered; None: the camera's own.
        drive: alternate the exposure where it can be set; False: take the frames as they come, for cameras
            that alternate by themselves.
        auto: the exposures follow the light; False: they stay as they are at first.
        exposures: (under, over) to begin with, each with `time_us` and perhaps `gain`.
        gap_ev: fixed difference between under and over in EV; None: as the scene needs it.
        timeout: seconds without a frame after which the camera counts as lost.
        open_timeout: seconds that opening may take.
        keyframe_timeout: seconds that a network stream may send before its first picture that stands for itself.
        transport: how RTSP comes: `auto` is over TCP, and over UDP where the camera has no other way.
        demuxer: FFmpeg's name of what a network stream is sent in, such as `mjpeg`; None: found out.
        assume_fps: frames per second of a network stream that does not tell its rate; None: measured.
        damaged: `drop` leaves out pictures that lost a part on the way, and those made of them; `keep` does not.
        wait: a camera that is not there at first is waited for, with the pauses of `backoff`.
        reconnect: open a camera that was lost again, for as long as it takes.
        backoff: (first, longest) seconds between two attempts; they double, and vary by chance.

    Raises:
        UsageError: a value out of its range.
    """

    size: tuple[int, int] | None = None
    fps: float | None = None
    drive: bool = True
    auto: bool = True
    exposures: tuple[Exposure, Exposure] | None = None
    gap_ev: float | None = None
    timeout: float = 5.0
    open_timeout: float = 10.0
    keyframe_timeout: float = 30.0
    transport: Transport = "auto"
    demuxer: str | None = None
    assume_fps: float | None = None
    damaged: Damaged = "drop"
    wait: bool = False
    reconnect: bool = True
    backoff: tuple[float, float] = (0.5, 30.0)

    def __post_init__(self) -> None:
        if self.size is not None and not all(16 <= side <= 16384 for side in self.size):
            raise UsageError(
                f"A camera picture of {self.size[0]}x{self.size[1]} is not possible: give 16..16384."
            )
        for rate in (self.fps, self.assume_fps):
            if rate is not None and not 0 < rate <= 1000:
                raise UsageError(
                    f"A camera rate of {rate:g} is not possible: give more than 0, at most 1000."
                )
        if self.gap_ev is not None and not 1 <= self.gap_ev <= 8:
            raise UsageError(f"A gap of {self.gap_ev:g} EV between the exposures is not possible: give 1..8.")
        if self.exposures is not None:
            self._check_exposures(*self.exposures)
        times = {
            "timeout": self.timeout,
            "open_timeout": self.open_timeout,
            "keyframe_timeout": self.keyframe_timeout,
        }
        for name, seconds in times.items():
            if not 0 < seconds <= 3600:
                raise UsageError(f"The camera's {name} of {seconds:g} s is not possible: give 0..3600.")
        if self.transport not in get_args(Transport):
            known = ", ".join(get_args(Transport))
            raise UsageError(f"There is no transport {self.transport!r}: use one of {known}.")
        if self.damaged not in get_args(Damaged):
            raise UsageError(f"Damaged pictures cannot be {self.damaged!r}: use drop or keep.")
        if not 0 < self.backoff[0] <= self.backoff[1]:
            raise UsageError(
                f"The back-off of {self.backoff} s is not possible: give (first, longest) above 0."
            )

    def _check_exposures(self, under: Exposure, over: Exposure) -> None:
        if under.time_us is None or over.time_us is None or under.time_us <= 0 or over.time_us <= 0:
            raise UsageError("Both camera exposures need a time above 0 microseconds.")
        if (over.ev or 0) - (under.ev or 0) < 1:
            raise UsageError("The second camera exposure has to be brighter than the first by 1 EV or more.")
