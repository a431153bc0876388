"""Basler cameras through pypylon."""

from __future__ import annotations

import time
from contextlib import suppress
from fractions import Fraction
from typing import Any

from streamfuse.camera.camera_protocol import CameraMode, ExposureLimits, taken
from streamfuse.camera.camera_settings import CameraOptions
from streamfuse.camera.optional import load
from streamfuse.capture.avframe import DecodedPicture, picture_of_rgb
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError

_INSTALL = 'install it with `pip install "streamfuse[basler]"`'
_DEFAULT_FPS = 30.0
_GREY = ColorInfo(full_range=True)


class PylonCamera:
    """An open camera, grabbing; frames tell their exposure where the camera has chunk data.

    Args:
        which: its serial number; '' is the first that is found.
        options: `size` and `fps` are wishes.

    Raises:
        CameraError: none found, in use, no exposure control, or pypylon is not installed.
    """

    exposure: Exposure | None = None

    def __init__(self, which: str, options: CameraOptions) -> None:
        self.name = f"pylon:{which}"
        self.lost = 0
        self._pylon = load("pypylon.pylon", _INSTALL)
        factory = self._pylon.TlFactory.GetInstance()
        found = [
            device for device in factory.EnumerateDevices() if not which or device.GetSerialNumber() == which
        ]
        if not found:
            raise CameraError(
                f"No Basler camera {which or 'at all'} was found: check its power, cable and network."
            )
        self._camera = self._pylon.InstantCamera(factory.CreateDevice(found[0]))
        try:
            self._camera.Open()
            self._start(options)
        except self._pylon.GenericException as error:
            self.close()
            raise CameraError(
                f"{self.name} cannot be opened ({error}): is another program using it?"
            ) from error
        except BaseException:
            self.close()
            raise

    def set_exposure(self, exposure: Exposure) -> None:
        """Ask for an exposure time.

        Raises:
            CameraError: the camera was lost.
        """
        try:
            self._time.Value = exposure.time_us
        except self._pylon.GenericException as error:
            raise CameraError(f"{self.name} was lost ({error}).") from error

    def grab(self, timeout: float) -> Frame | None:
        """Give the next frame.

        Raises:
            CameraError: the camera was lost.
        """
        try:
            result = self._camera.RetrieveResult(round(timeout * 1000), self._pylon.TimeoutHandling_Return)
            if result is None or not result.IsValid():
                return None
            captured = time.monotonic()
            try:
                if not result.GrabSucceeded():
                    self.lost += 1
                    return None
                picture, exposure = self._picture(result), self._told(result)
            finally:
                result.Release()
        except self._pylon.GenericException as error:
            raise CameraError(f"{self.name} was lost ({error}).") from error
        return taken(picture, captured, exposure)

    def close(self) -> None:
        """Stop and give the camera free."""
        with suppress(self._pylon.GenericException):
            self._camera.StopGrabbing()
            self._camera.Close()

    def _start(self, options: CameraOptions) -> None:
        camera = self._camera
        if options.size is not None:
            camera.Width.Value, camera.Height.Value = options.size
        fps = options.fps or _DEFAULT_FPS
        with suppress(self._pylon.GenericException):  # not all of them have a rate to set
            camera.AcquisitionFrameRateEnable.Value = True
            camera.AcquisitionFrameRate.Value = fps
            fps = float(camera.ResultingFrameRate.Value)
        self._grey = str(camera.PixelFormat.Value).startswith("Mono")
        self._converter = self._pylon.ImageFormatConverter()
        self._converter.OutputPixelFormat = (
            self._pylon.PixelType_Mono8 if self._grey else self._pylon.PixelType_RGB8packed
        )
        rate = Fraction(fps).limit_denominator(1001)
        self.mode = CameraMode(camera.Width.Value, camera.Height.Value, rate, str(camera.PixelFormat.Value))
        self.limits = self._take_exposure(1e6 / fps) if options.drive else None
        camera.StartGrabbing(self._pylon.GrabStrategy_OneByOne)

    def _take_exposure(self, period_us: float) -> ExposureLimits:
        camera = self._camera
        with suppress(self._pylon.GenericException):
            camera.ExposureAuto.Value = "Off"
            camera.GainAuto.Value = "Off"
        with suppress(self._pylon.GenericException):
            camera.ChunkModeActive.Value = True
            camera.ChunkSelector.Value = "ExposureTime"
            camera.ChunkEnable.Value = True
        self._time: Any = camera.ExposureTime
        return ExposureLimits((max(float(self._time.Min), 1.0), min(float(self._time.Max), period_us)))

    def _picture(self, result: Any) -> DecodedPicture:
        pixels = self._converter.Convert(result).GetArray()
        return (
            DecodedPicture((pixels.copy(),), 8, (0, 0), _GREY)
            if self._grey
            else picture_of_rgb(pixels.copy())
        )

    def _told(self, result: Any) -> Exposure | None:
        with suppress(self._pylon.GenericException, AttributeError):
            return Exposure(time_us=float(result.ChunkExposureTime.Value), gain=1.0)
        return None
