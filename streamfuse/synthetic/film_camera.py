"""`sim:`, the built-in scene in real time, as a camera that alternates by itself."""

from __future__ import annotations

from collections.abc import Iterator

from streamfuse.camera.camera_protocol import CameraMode, EndedError, ExposureLimits
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError
from streamfuse.synthetic.sample_source import open_sample


class SampleCamera:
    """The frames of `open_sample`, one at a time.

    Args:
        spec: such as `sim:?size=1280x720&rate=30`.

    Raises:
        UsageError: a misspelt key, or a value that does not fit.
    """

    limits: ExposureLimits | None = None
    exposure: Exposure | None = None
    lost = 0

    def __init__(self, spec: str) -> None:
        self._sample = open_sample(spec)
        info = self._sample.info
        self.name = spec.removesuffix(":")  # as it stands before a colon in messages
        self.mode = CameraMode(info.width, info.height, info.rate, "built-in scene")
        self._frames: Iterator[Frame] = iter(self._sample)

    def set_exposure(self, exposure: Exposure) -> None:
        """Not possible: it alternates by itself.

        Raises:
            CameraError: always.
        """
        raise CameraError(f"{self.name} alternates by itself: its exposures cannot be set.")

    def grab(self, timeout: float) -> Frame | None:
        """Give the next frame.

        Raises:
            EndedError: there are no more.
        """
        frame = next(self._frames, None)
        if frame is None:
            raise EndedError
        return frame

    def close(self) -> None:
        """End it."""
        self._sample.close()
