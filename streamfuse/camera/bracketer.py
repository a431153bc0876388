"""What stands between a camera and its frames; the simplest of them passes everything on."""

from __future__ import annotations

from typing import Protocol

from streamfuse.camera.camera_protocol import Camera
from streamfuse.core.frame import Exposure, Frame


class Bracketer(Protocol):
    """What gets labelled, or at least usable, frames out of one open camera."""

    @property
    def discarded(self) -> int:
        """Frames so far that it has not passed on."""

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        """Give what the camera was last told, darkest first; () if nothing."""

    @property
    def latency(self) -> tuple[int, int] | None:
        """(fewest, most) frames until a change of exposure was seen; None: not measured."""

    @property
    def stride(self) -> float:
        """Frames of the camera for each one that is passed on."""

    @property
    def note(self) -> str | None:
        """Give what keeps it from doing better, in one sentence."""

    def next(self, timeout: float) -> Frame | None:
        """Give the next frame to use; None if there was none within `timeout` seconds.

        Raises:
            CameraError: the camera was lost.
            EndedError: there will be no more.
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
        """Give the camera's next frame, as `Bracketer.next`."""
        return self._camera.grab(timeout)
