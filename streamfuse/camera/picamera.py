"""Cameras of the Raspberry Pi through picamera2: every frame tells its exposure."""

from __future__ import annotations

import time
from concurrent.futures import TimeoutError as NotYetError
from fractions import Fraction
from typing import Any

from streamfuse.camera.camera_protocol import CameraMode, ExposureLimits, taken
from streamfuse.camera.camera_settings import CameraOptions
from streamfuse.camera.optional import load
from streamfuse.camera.raw import raw_picture
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError, UsageError

_SIZE = (1280, 720)
_DEFAULT_FPS = 30.0
_INSTALL = (
    "install it with `sudo apt install python3-picamera2` and use a Python that sees the system's packages"
)


class PiCamera:
    """An open camera, streaming 4:2:0.

    Args:
        which: its number; '' is the first.
        options: `size` and `fps` are wishes.

    Raises:
        UsageError: `which` is no number.
        CameraError: no such camera, in use, or picamera2 is not installed.
    """

    exposure: Exposure | None = None

    def __init__(self, which: str, options: CameraOptions) -> None:
        if which and not which.isdecimal():
            raise UsageError(f"picamera2:{which} is no camera: give its number, such as picamera2:0.")
        self.name = f"picamera2:{which or 0}"
        self.lost = 0
        self._job: Any = None  # a frame that was asked for and has not come
        module = load("picamera2", _INSTALL)
        try:
            self._camera = module.Picamera2(int(which or 0))
        except (RuntimeError, IndexError) as error:
            raise CameraError(
                f"{self.name} cannot be opened ({error}): check the cable and that no other program uses it."
            ) from error
        try:
            self._start(options)
        except (RuntimeError, ValueError, KeyError) as error:
            self.close()
            raise CameraError(f"{self.name} cannot be started ({error}).") from error

    def set_exposure(self, exposure: Exposure) -> None:
        """Ask for a time and a gain."""
        self._camera.set_controls(
            {"ExposureTime": round(exposure.time_us or 0), "AnalogueGain": exposure.gain or 1.0}
        )

    def grab(self, timeout: float) -> Frame | None:
        """Give the next frame, with the exposure that it was taken with.

        Raises:
            CameraError: the camera was lost.
        """
        if self._job is None:
            self._job = self._camera.capture_request(wait=False)
        try:
            request = self._job.get_result(timeout=timeout)
        except NotYetError:
            return None
        except RuntimeError as error:
            raise CameraError(f"{self.name} was lost ({error}).") from error
        self._job = None
        try:
            pixels, told = request.make_array("main"), request.get_metadata()
        finally:
            request.release()
        picture = raw_picture(pixels.tobytes(), "YU12", self.mode.width, self.mode.height, self._line)
        if picture is None:
            self.lost += 1
            return None
        captured = self._captured_at(told)
        if "ExposureTime" not in told:
            return taken(picture, captured)
        gain = float(told.get("AnalogueGain", 1.0))
        return taken(picture, captured, Exposure(time_us=float(told["ExposureTime"]), gain=gain))

    def close(self) -> None:
        """Stop and give the camera free."""
        self._camera.close()

    def _start(self, options: CameraOptions) -> None:
        period = round(1e6 / (options.fps or _DEFAULT_FPS))
        controls: dict[str, Any] = {"FrameDurationLimits": (period, period)}
        if options.drive:
            controls["AeEnable"] = False
        wanted = {"size": options.size or _SIZE, "format": "YUV420"}
        self._camera.configure(self._camera.create_video_configuration(main=wanted, controls=controls))
        got = self._camera.camera_configuration()["main"]
        self._line = int(got["stride"])
        width, height = got["size"]
        self.mode = CameraMode(int(width), int(height), Fraction(1_000_000, period), str(got["format"]))
        self.limits = self._limits(period) if options.drive else None
        self._camera.start()

    def _limits(self, period: float) -> ExposureLimits:
        known = self._camera.camera_controls
        shortest, longest = known["ExposureTime"][:2]
        least, most = known["AnalogueGain"][:2]
        return ExposureLimits((max(shortest, 1), min(longest or period, period)), (max(least, 1.0), most))

    @staticmethod
    def _captured_at(told: dict[str, Any]) -> float:
        """Give the sensor's time stamp (nanoseconds of the clock since boot), if it is of our clock."""
        now = time.monotonic()
        stamp = float(told.get("SensorTimestamp", 0)) * 1e-9
        return stamp if now - 5 < stamp <= now else now
