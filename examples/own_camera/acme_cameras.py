"""A camera driver in a package of its own: pip install ./examples/own_camera, then streamfuse live acme:2

It stands for a camera that takes dark and bright pictures by turns and tells the exposure of each. Replace what `grab`
does by what your camera's library gives.
"""

import time
from fractions import Fraction

import numpy as np

from streamfuse import Frame
from streamfuse.camera import CameraOptions
from streamfuse.camera.camera_protocol import CameraMode, ExposureLimits
from streamfuse.core.frame import Exposure
from streamfuse.errors import CameraError

WIDTH, HEIGHT, RATE = 320, 180, 30
TIMES_US = 1000.0, 8000.0  # three EV apart


class AcmeCamera:
    """A camera that alternates by itself.

    Args:
        which: what stands behind `acme:`, here the number of the camera.
        options: what the command line says of cameras.

    Raises:
        CameraError: there is no such camera.
    """

    limits: ExposureLimits | None = None  # it cannot be told an exposure
    exposure: Exposure | None = None
    lost = 0

    def __init__(self, which: str, options: CameraOptions) -> None:
        if not which.isdigit():
            raise CameraError(f"There is no camera acme:{which}: give its number, as in acme:2.")
        self.name = f"acme:{which}"
        self.mode = CameraMode(WIDTH, HEIGHT, Fraction(RATE), "GRAY8")
        self._count = 0
        self._next = time.monotonic()
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        self._light = (x / WIDTH) ** 3 * (1 + 0.5 * np.sin(x / 7) * np.sin(y / 5))

    def grab(self, timeout: float) -> Frame | None:
        """The next frame: luma only, with its exposure and the moment at which it was taken.

        A picture in colour goes to `Frame.from_bgr`, or to `Frame.from_rgb` as the luma does.
        """
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = max(self._next + 1 / RATE, time.monotonic())
        taken, time_us = time.monotonic(), TIMES_US[self._count % 2]
        light = np.roll(self._light, self._count, axis=1) * (time_us / 2000)
        luma = np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
        frame = Frame.from_rgb(luma, self._count, exposure=Exposure(time_us), captured_at=taken)
        self._count += 1
        return frame

    def set_exposure(self, exposure: Exposure) -> None:
        """Not possible.

        Raises:
            CameraError: always.
        """
        raise CameraError(f"{self.name} alternates by itself: its exposures cannot be set.")

    def close(self) -> None:
        """Nothing is open."""
