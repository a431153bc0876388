"""Webcams through OpenCV, where there is no V4L2."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import cv2

from streamfuse.camera.camera_protocol import CameraMode, ExposureLimits, taken
from streamfuse.camera.camera_settings import CameraOptions
from streamfuse.capture.avframe import picture_of_rgb
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError

_MANUAL = 0.25  # of CAP_PROP_AUTO_EXPOSURE, by the convention of most backends
_STEPS = (-12, -1)  # CAP_PROP_EXPOSURE is log2 of seconds, in whole steps
_DEFAULT_FPS = 30.0


class OpenCVCamera:
    """An open webcam; the picture comes as R'G'B' from the system.

    Args:
        index: its number.
        options: `size` and `fps` are wishes; `drive` needs an exposure that can be set and read back.

    Raises:
        CameraError: not there, in use, or no manual exposure.
    """

    def __init__(self, index: int, options: CameraOptions) -> None:
        self.name = f"camera {index}"
        self.lost = 0
        self._capture = cv2.VideoCapture(index)
        if not self._capture.isOpened():
            raise CameraError(
                f"{self.name} cannot be opened: plug it in, close other programs that use it, and allow this one to."
            )
        try:
            self.mode = self._set_mode(options)
            self._former: dict[int, float] = {}
            self.exposure: Exposure | None = None
            self.limits = self._take_exposure() if options.drive else None
        except BaseException:
            self._capture.release()
            raise

    def set_exposure(self, exposure: Exposure) -> None:
        """Ask for an exposure time; it is rounded to a power of two."""
        seconds = (exposure.time_us or 1.0) * 1e-6
        self._capture.set(cv2.CAP_PROP_EXPOSURE, round(math.log2(seconds)))

    def grab(self, timeout: float) -> Frame | None:
        """Give the next frame, for as long as it takes: OpenCV knows no time limit.

        Raises:
            CameraError: there is none any more.
        """
        good, bgr = self._capture.read()
        captured = time.monotonic()
        if not good:
            raise CameraError(
                f"{self.name} gives no picture any more: it was unplugged, or taken by another program."
            )
        picture = picture_of_rgb(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        return taken(picture, captured)

    def close(self) -> None:
        """Put the exposure back and give the camera free."""
        for control, value in self._former.items():
            self._capture.set(control, value)
        self._former.clear()
        self._capture.release()

    def _set_mode(self, options: CameraOptions) -> CameraMode:
        capture = self._capture
        capture.set(
            cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")
        )  # before the size, which depends on it
        if options.size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.size[1])
        if options.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, options.fps)
        fps = capture.get(cv2.CAP_PROP_FPS)
        rate = Fraction(fps if 1 <= fps <= 1000 else _DEFAULT_FPS).limit_denominator(1001)
        code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        name = code.to_bytes(4, "little").decode("ascii", "replace").strip("\0 ") or "raw"
        width, height = (
            int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        return CameraMode(width, height, rate, name)

    def _take_exposure(self) -> ExposureLimits:
        """Manual exposure, if what is set can be read back."""
        capture = self._capture
        self._former = {key: capture.get(key) for key in (cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_AUTO_EXPOSURE)}
        capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL)
        longest = max(min(_STEPS[1], math.floor(math.log2(float(1 / self.mode.rate)))), _STEPS[0] + 2)
        for step in (longest - 2, longest):
            capture.set(cv2.CAP_PROP_EXPOSURE, step)
            if abs(capture.get(cv2.CAP_PROP_EXPOSURE) - step) > 0.5:
                raise CameraError(
                    f"{self.name} has no manual exposure time that OpenCV can set, so it cannot alternate between "
                    "under and over: use another camera, or take its frames as they come if it alternates by itself."
                )
        return ExposureLimits((2.0 ** _STEPS[0] * 1e6, 2.0**longest * 1e6))
