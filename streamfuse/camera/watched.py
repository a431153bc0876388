"""A camera that counts as lost when it falls silent."""

from __future__ import annotations

import time

from streamfuse.camera.camera_protocol import Camera, CameraMode, EndedError
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError


class Watched:
    """Passes a camera on, and says that it was lost when it has been silent for too long.

    Args:
        camera: what to watch.
        limit: seconds of waiting without a frame; may be changed.
    """

    def __init__(self, camera: Camera, limit: float) -> None:
        self._camera = camera
        self.limit = limit
        self.closing = False  # set by another thread: no frame is wanted any more
        self._silent = 0.0  # seconds waited since the last frame; the consumer's own pauses do not count
        self.name = camera.name
        self.limits = camera.limits
        self.exposure = camera.exposure

    @property
    def mode(self) -> CameraMode:
        """As the camera tells; that of a stream may be known with its first frame only."""
        return self._camera.mode

    @property
    def lost(self) -> int:
        """As the camera tells."""
        return self._camera.lost

    def set_exposure(self, exposure: Exposure) -> None:
        """As the camera does."""
        self._camera.set_exposure(exposure)

    def grab(self, timeout: float) -> Frame | None:
        """As the camera does.

        Raises:
            CameraError: it was lost, or silent for too long.
            EndedError: it is being closed.
        """
        if self.closing:
            raise EndedError
        began = time.monotonic()
        frame = self._camera.grab(timeout)
        if frame is not None:
            self._silent = 0.0
            return frame
        self._silent += time.monotonic() - began
        if self._silent > self.limit:
            raise CameraError(
                f"{self.name} has sent no picture for {self.limit:g} s: check that it runs and is connected."
            )
        return None

    def close(self) -> None:
        """As the camera does."""
        self._camera.close()
