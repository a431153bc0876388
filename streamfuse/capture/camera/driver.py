"""What stands between a camera and its frames; the simplest of them passes everything on."""

from __future__ import annotations

from typing import Protocol

from streamfuse.capture.camera.device import Camera
from streamfuse.frame import Exposure, Frame


class Driver(Protocol):
    """What gets labelled, or at least usable, frames out of one open camera.

    Attributes:
        discarded: frames so far that it has not passed on.
        exposures: what the camera was last told, darkest first.
        latency: (fewest, most) frames until a change of exposure was seen; None: not measured.
        stride: frames of the camera for each one that is passed on.
        note: what keeps it from doing better, in one sentence.
    """

    discarded: int
    exposures: tuple[Exposure, ...]
    latency: tuple[int, int] | None
    stride: float
    note: str | None

    def next(self, timeout: float) -> Frame | None:
        """The next frame to use; None if there was none within `timeout` seconds.

        Raises:
            CameraError: the camera was lost.
            Ended: there will be no more.
        """


class PassThrough:
    """Every frame as it comes: for what alternates by itself, and what cannot be told an exposure."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self.discarded = 0
        self.exposures: tuple[Exposure, ...] = ()
        self.latency: tuple[int, int] | None = None
        self.stride = 1.0
        self.note: str | None = None

    def next(self, timeout: float) -> Frame | None:
        """The next frame."""
        return self._camera.grab(timeout)
