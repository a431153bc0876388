"""GenICam cameras (GigE Vision, USB3 Vision) through harvesters and the producer file of their maker."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from streamfuse.camera.camera_protocol import CameraMode, ExposureLimits, taken
from streamfuse.camera.camera_settings import CameraOptions
from streamfuse.camera.optional import load
from streamfuse.capture.avframe import DecodedPicture, picture_of_rgb
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError

_INSTALL = 'install it with `pip install "streamfuse[genicam]"`'
_PRODUCERS = "GENICAM_GENTL64_PATH"  # where makers' software says that its .cti files are
_DEFAULT_FPS = 30.0
_GREY = ColorInfo(full_range=True)


class GenICamCamera:
    """An open camera, streaming Mono8 or RGB8.

    Args:
        which: its serial number; '' is the first that is found.
        options: `size` and `fps` are wishes.

    Raises:
        CameraError: no producer, no such camera, in use, another pixel format, or harvesters is not installed.
    """

    exposure: Exposure | None = None

    def __init__(self, which: str, options: CameraOptions) -> None:
        self.name = f"genicam:{which}"
        self.lost = 0
        self._harvester = load("harvesters.core", _INSTALL).Harvester()
        self._device: Any = None
        try:
            self._open(which)
            self._start(options)
        except CameraError:
            self.close()
            raise
        except Exception as error:  # each maker's producer raises its own
            self.close()
            raise CameraError(
                f"{self.name} cannot be opened ({error}): is another program using it?"
            ) from error

    def set_exposure(self, exposure: Exposure) -> None:
        """Ask for an exposure time.

        Raises:
            CameraError: the camera was lost.
        """
        try:
            self._nodes.ExposureTime.value = exposure.time_us
        except Exception as error:
            raise CameraError(f"{self.name} was lost ({error}).") from error

    def grab(self, timeout: float) -> Frame | None:
        """Give the next frame.

        Raises:
            CameraError: the camera was lost.
        """
        try:
            buffer = self._device.try_fetch(timeout=timeout)
            if buffer is None:
                return None
            captured = time.monotonic()
            try:
                picture = self._picture(buffer.payload.components[0])
            finally:
                buffer.queue()
        except CameraError:
            raise
        except Exception as error:
            raise CameraError(f"{self.name} was lost ({error}).") from error
        return taken(picture, captured)

    def close(self) -> None:
        """Stop and give the camera free."""
        with suppress(Exception):
            if self._device is not None:
                self._device.stop()
                self._device.destroy()
        with suppress(Exception):
            self._harvester.reset()

    def _open(self, which: str) -> None:
        folders = [Path(folder) for folder in os.environ.get(_PRODUCERS, "").split(os.pathsep) if folder]
        producers = [file for folder in folders for file in sorted(folder.glob("*.cti"))]
        if not producers:
            raise CameraError(
                f"No GenTL producer (.cti) was found: install it, or name its folder in {_PRODUCERS}."
            )
        for producer in producers:
            self._harvester.add_file(str(producer))
        self._harvester.update()
        if not self._harvester.device_info_list:
            raise CameraError("No GenICam camera was found: check its power, cable and network.")
        self._device = self._harvester.create({"serial_number": which} if which else 0)
        self._nodes = self._device.remote_device.node_map

    def _start(self, options: CameraOptions) -> None:
        nodes = self._nodes
        if options.size is not None:
            nodes.Width.value, nodes.Height.value = options.size
        fps = options.fps or _DEFAULT_FPS
        with suppress(Exception):  # not all of them have a rate to set
            nodes.AcquisitionFrameRateEnable.value = True
            nodes.AcquisitionFrameRate.value = fps
            fps = float(nodes.AcquisitionFrameRate.value)
        rate = Fraction(fps).limit_denominator(1001)
        self.mode = CameraMode(
            int(nodes.Width.value), int(nodes.Height.value), rate, str(nodes.PixelFormat.value)
        )
        self.limits: ExposureLimits | None = None
        if options.drive:
            for name in ("ExposureAuto", "GainAuto"):
                with suppress(Exception):
                    getattr(nodes, name).value = "Off"
            time_us = nodes.ExposureTime
            self.limits = ExposureLimits((max(float(time_us.min), 1.0), min(float(time_us.max), 1e6 / fps)))
        self._device.start()

    def _picture(self, component: Any) -> DecodedPicture:
        height, width = int(component.height), int(component.width)
        if component.data_format == "Mono8":
            return DecodedPicture((np.array(component.data.reshape(height, width)),), 8, (0, 0), _GREY)
        if component.data_format == "RGB8":
            return picture_of_rgb(np.array(component.data.reshape(height, width, 3)))
        raise CameraError(f"{self.name} sends {component.data_format}: set its PixelFormat to Mono8 or RGB8.")
