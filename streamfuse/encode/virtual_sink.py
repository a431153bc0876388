"""A virtual camera, for programs that take a webcam: `virtual:` or `virtual:/dev/video2`, by pyvirtualcam."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from streamfuse.core.arguments import expect_frame
from streamfuse.core.color import to_8_bit
from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import Sink, SourceInfo
from streamfuse.errors import OutputError, UsageError

PREFIX = "virtual:"


class VirtualCameraSink(Sink):
    """Shows fused frames as a camera of this machine.

    Args:
        target: `virtual:` takes the first free device; a device's name may follow.
        info: of the frames.

    Raises:
        UsageError: pyvirtualcam is not installed.
        OutputError: there is no virtual camera device.
    """

    def __init__(self, target: str, info: SourceInfo) -> None:
        virtual = library()
        device = target.removeprefix(PREFIX) or None
        try:
            self._camera: Any = virtual.Camera(info.width, info.height, float(info.rate), device=device)
        except RuntimeError as error:
            raise OutputError(
                f"{target} cannot be opened ({_first_line(error)}): on Linux load the kernel module v4l2loopback "
                "(sudo modprobe v4l2loopback), elsewhere install OBS."
            ) from error
        self.outputs = [str(self._camera.device)]

    def write(self, frame: FusedFrame) -> None:
        """Show one frame.

        Raises:
            OutputError: the device is gone.
        """
        expect_frame(frame)
        try:
            self._camera.send(np.ascontiguousarray(to_8_bit(frame.rgb())))
        except (RuntimeError, OSError) as error:
            raise OutputError(
                f"The virtual camera {self.outputs[0]} is gone ({_first_line(error)})."
            ) from error

    def close(self) -> None:
        """Take the camera down; may be called more than once."""
        self._camera.close()


def library() -> ModuleType:
    """Give pyvirtualcam.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyvirtualcam
    except ImportError as error:
        raise UsageError(
            "A virtual camera needs the package pyvirtualcam: pip install 'streamfuse[virtual]'."
        ) from error
    return pyvirtualcam


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
