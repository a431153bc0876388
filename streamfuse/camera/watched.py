"""A camera as its driver gives it, looked at: silence, what is no frame, and errors that are the driver's own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from streamfuse.camera.camera_protocol import Camera, CameraMode, EndedError
from streamfuse.core.arguments import described
from streamfuse.core.color import chroma_shape
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError, StreamfuseError, without_credentials

_MAX_STRAYS = 8  # frames in a row that are unlike those before: more are no accident
_LOG = logging.getLogger("streamfuse.camera")
_EVENT: dict[str, object] = {"event": "source", "fields": {}}
_WANTED = (
    "not a Frame with planes (Y,) or (Y, Cb, Cr), which are 2-D arrays, uint8 at 8 bits and uint16 above: "
    "Frame.from_rgb(picture) and Frame.from_bgr(picture) make one"
)


class Watched:
    """Passes a camera on, and says that it was lost when it has been silent for too long, or its driver fails.

    The first frame has to be one. A later one that is none, or of another size, is left out, counted as lost, and told
    once. If such go on to come, the new size is taken over, and what is no frame is the loss of the camera.

    Args:
        connect: opens the camera.
        limit: seconds of waiting without a frame; may be changed.

    Raises:
        CameraError: it cannot be opened, or is no camera.
    """

    def __init__(self, connect: Callable[[], Camera], limit: float) -> None:
        self.name = "the camera"
        with self._driven(StreamfuseError):
            self._camera = connect()
            self.name = self._camera.name
            self.limits = self._camera.limits
            self.exposure = self._camera.exposure
        self.limit = limit
        self.closing = False  # set by another thread: no frame is wanted any more
        self._silent = 0.0  # seconds waited since the last frame; the consumer's own pauses do not count
        self._size: str | None = None
        self._strays = self._left_out = 0

    @property
    def mode(self) -> CameraMode:
        """As the camera tells; that of a stream may be known with its first frame only."""
        return self._camera.mode

    @property
    def lost(self) -> int:
        """As the camera tells, and what was left out here."""
        return self._camera.lost + self._left_out

    def set_exposure(self, exposure: Exposure) -> None:
        """As the camera does."""
        with self._driven():
            self._camera.set_exposure(exposure)

    def grab(self, timeout: float) -> Frame | None:
        """As the camera does.

        Raises:
            CameraError: it was lost, or silent for too long, or its driver does not give frames.
            EndedError: it is being closed.
        """
        if self.closing:
            raise EndedError
        began = time.monotonic()
        with self._driven():
            frame = self._camera.grab(timeout)
        if frame is not None:
            self._silent = 0.0
            if not self._fits(frame):
                return None
            return frame if frame.captured_at is not None else replace(frame, captured_at=time.monotonic())
        self._silent += time.monotonic() - began
        if self._silent > self.limit:
            raise CameraError(
                f"{self.name} has sent no picture for {self.limit:g} s: check that it runs and is connected."
            )
        return None

    def close(self) -> None:
        """As the camera does; what goes wrong meanwhile is told, and hinders nothing."""
        try:
            self._camera.close()
        except Exception as error:
            _LOG.warning("%s was not closed well: %s", self.name, _said(error), extra=_EVENT)

    @contextmanager
    def _driven(self, passed: type[StreamfuseError] = CameraError) -> Iterator[None]:
        """Whatever a driver raises is the loss of its camera, but for what is `passed` on as it is."""
        try:
            yield
        except (passed, EndedError, MemoryError):
            raise
        except Exception as error:
            raise CameraError(f"The driver of {self.name} failed: {_said(error)}.") from error

    def _fits(self, frame: Frame) -> bool:
        """Tell whether it is a frame like those before.

        Raises:
            CameraError: it is none, which is no accident.
        """
        wrong = what_is_wrong(frame)
        size = "" if wrong else f"{frame.width}x{frame.height}, {frame.bits} bit, {len(frame.planes)} planes"
        if wrong is None and (self._size in (None, size) or self._strays >= _MAX_STRAYS):
            self._size, self._strays = size, 0
            return True
        if wrong and (self._size is None or self._strays >= _MAX_STRAYS):
            raise CameraError(f"The driver of {self.name} gave {wrong}, {_WANTED}.")
        if not self._left_out:
            told = wrong or f"a frame of {size}"
            text = "%s: %s in place of a frame of %s was left out; further ones are counted as lost."
            _LOG.warning(text, self.name, told, self._size, extra=_EVENT)
        self._strays += 1
        self._left_out += 1
        return False


def what_is_wrong(frame: object) -> str | None:
    """Give what a driver gave in place of a frame, in a few words; None: it is one."""
    if not isinstance(frame, Frame):
        return described(frame)
    planes, bits = frame.planes, frame.bits
    if not isinstance(planes, tuple) or len(planes) not in (1, 3):
        return f"a Frame whose planes are {described(planes)}"
    if not isinstance(bits, int) or not 8 <= bits <= 16:
        return f"a Frame of {bits!r} bits (8 to 16 are possible)"
    for plane in planes:
        flat = isinstance(plane, np.ndarray) and plane.ndim == 2 and plane.size
        if not flat or plane.dtype != (np.uint8 if bits == 8 else np.uint16):
            return f"a Frame of {bits} bits with {described(plane)} as a plane"
    chroma = chroma_shape(frame.height, frame.width, frame.subsampling)
    if any(plane.shape != chroma for plane in planes[1:]):
        return f"a Frame whose chroma is {described(planes[1])} and not of shape {chroma}"
    return None


def _said(error: Exception) -> str:
    return without_credentials(f"{type(error).__name__}: {error}".rstrip(": ."))
