"""Cameras of Linux (`/dev/video*`): frames through mapped buffers, the exposure through controls."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import select
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from streamfuse.camera import v4l2_ioctl as v4l2
from streamfuse.camera.camera_protocol import CameraMode, ExposureLimits, taken
from streamfuse.camera.camera_settings import CameraOptions
from streamfuse.camera.raw import RAW_FORMATS, JpegDecoder, raw_picture
from streamfuse.camera.v4l2_controls import ExposureControls
from streamfuse.capture.avframe import DecodedPicture
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError

_BUFFERS = 4
_FORMATS = ("MJPG", *RAW_FORMATS)  # compressed first: over USB it is the one that is fast at full size
_DEFAULT_RATE = Fraction(30)
_OLDEST_SECONDS = 5.0  # of a time stamp that is believed


def list_cameras() -> list[str]:
    """Give the video devices of this machine; not all of them need to be cameras."""
    return sorted((str(path) for path in Path("/dev").glob("video*")), key=lambda name: (len(name), name))


class V4L2Camera:
    """An open camera, streaming, with its automatic exposure switched off if it is to be driven.

    Args:
        path: such as /dev/video0.
        options: `size` and `fps` are wishes; `drive` needs an exposure control.

    Attributes:
        controls: (lowest, highest, found at opening) of the exposure controls, by the names that the driver gives them.

    Raises:
        CameraError: not there, in use, no permission, not a camera, no picture format that is known here, or no manual
            exposure.
    """

    def __init__(self, path: str, options: CameraOptions) -> None:
        self.name = self._path = path
        self.lost = 0
        self._fd = -1
        self._maps: list[mmap.mmap] = []
        self._sequence: int | None = None
        self._controls: ExposureControls | None = None
        self.controls: dict[str, tuple[int, int, int]] = {}
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            self._check_capability()
            self.mode = self._set_mode(options)
            self._take_exposure(options.drive)
            self._start()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) and not isinstance(error, CameraError):
                raise self._explained(error) from error
            raise

    def set_exposure(self, exposure: Exposure) -> None:
        """Ask for an exposure time.

        Raises:
            CameraError: refused, or unplugged.
        """
        if self._controls is None or not self._controls.manual:
            raise CameraError(f"{self.name} has no exposure control.")
        try:
            self._controls.set(exposure)
        except OSError as error:
            raise self._explained(error) from error

    def grab(self, timeout: float) -> Frame | None:
        """Give the next frame; None if none came in time, or it was damaged.

        Raises:
            CameraError: unplugged.
        """
        try:
            if not self._poll.poll(timeout * 1000):
                return None
            buffer = v4l2.Buffer(type=v4l2.CAPTURE, memory=v4l2.MMAP)
            v4l2.ioctl(self._fd, v4l2.DQBUF, buffer)
            data = self._maps[buffer.index][: buffer.bytesused]
            v4l2.ioctl(
                self._fd, v4l2.QBUF, v4l2.Buffer(index=buffer.index, type=v4l2.CAPTURE, memory=v4l2.MMAP)
            )
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            if error.errno == errno.EIO:  # one frame was lost on the bus
                self.lost += 1
                return None
            raise self._explained(error) from error
        self._count_lost(int(buffer.sequence))
        picture = None if buffer.flags & v4l2.BUFFER_ERROR else self._decoded(data)
        if picture is None:
            self.lost += 1
            return None
        captured = self._captured_at(buffer)
        return taken(picture, captured)

    def close(self) -> None:
        """Put the controls back and give the device free."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        if self._controls is not None:
            self._controls.restore()
        with suppress(OSError):  # unplugged, or never started
            v4l2.ioctl(fd, v4l2.STREAMOFF, (ctypes.c_int32 * 1)(v4l2.CAPTURE))
        for mapped in self._maps:
            mapped.close()
        os.close(fd)

    def _check_capability(self) -> None:
        found = v4l2.Capability()
        v4l2.ioctl(self._fd, v4l2.QUERYCAP, found)
        self.name = f"{self._path} ({bytes(found.card).decode('utf-8', 'replace')})"
        able = found.device_caps if found.capabilities & v4l2.HAS_DEVICE_CAPS else found.capabilities
        if not able & v4l2.CAN_CAPTURE or not able & v4l2.CAN_STREAM:
            raise CameraError(
                f"{self.name} takes no pictures: many cameras have a second node for metadata; try another of "
                f"{', '.join(list_cameras()) or '/dev/video*'}."
            )

    def _formats(self) -> list[str]:
        """Give the pixel formats that the camera offers."""
        names: list[str] = []
        described = v4l2.FormatDescription(type=v4l2.CAPTURE)
        try:
            while True:
                described.index = len(names)
                v4l2.ioctl(self._fd, v4l2.ENUM_FMT, described)
                names.append(v4l2.fourcc_name(described.pixelformat))
        except OSError as error:
            if error.errno != errno.EINVAL:  # which ends the list
                raise
        return names

    def _set_mode(self, options: CameraOptions) -> CameraMode:
        """Give the pixel format first, then the size (which depends on it), then the rate; and what came of it."""
        offered = self._formats()
        chosen = next((name for name in _FORMATS if name in offered), None)
        if chosen is None:
            raise CameraError(
                f"{self.name} offers {', '.join(offered) or 'no pixel format'}, and one of {', '.join(_FORMATS)} is "
                "needed: use another camera."
            )
        wanted = v4l2.Format(type=v4l2.CAPTURE)
        v4l2.ioctl(self._fd, v4l2.G_FMT, wanted)
        wanted.pixelformat = v4l2.fourcc(chosen)
        wanted.bytesperline = 0
        if options.size is not None:
            wanted.width, wanted.height = options.size
        v4l2.ioctl(self._fd, v4l2.S_FMT, wanted)
        self._format = v4l2.fourcc_name(wanted.pixelformat)
        self._line = int(wanted.bytesperline) or int(wanted.width) * (2 if self._format == "YUYV" else 1)
        self._jpeg = JpegDecoder() if self._format == "MJPG" else None
        return CameraMode(int(wanted.width), int(wanted.height), self._set_rate(options.fps), self._format)

    def _set_rate(self, fps: float | None) -> Fraction:
        wanted = v4l2.StreamParameters(type=v4l2.CAPTURE)
        try:
            v4l2.ioctl(self._fd, v4l2.G_PARM, wanted)
            if fps is not None:
                period = (1 / Fraction(fps)).limit_denominator(100_000)
                wanted.numerator, wanted.denominator = period.numerator, period.denominator
                v4l2.ioctl(self._fd, v4l2.S_PARM, wanted)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):  # a camera without a choice of rates
                raise
        if not wanted.numerator or not wanted.denominator:
            return _DEFAULT_RATE
        return Fraction(wanted.denominator, wanted.numerator)

    def _take_exposure(self, drive: bool) -> None:
        self.limits: ExposureLimits | None = None
        self.exposure: Exposure | None = None
        controls = ExposureControls(self._fd)
        self.controls = controls.table()
        if not drive:
            return
        limits = controls.limits(float(1_000_000 / self.mode.rate))
        if limits is None:
            raise CameraError(
                f"{self.name} has no manual exposure time, so it cannot alternate between under and over: use another "
                "camera, or take its frames as they come if it alternates by itself."
            )
        self.limits, self.exposure = limits, controls.exposure
        self._controls = controls
        controls.take()

    def _start(self) -> None:
        request = v4l2.RequestBuffers(count=_BUFFERS, type=v4l2.CAPTURE, memory=v4l2.MMAP)
        v4l2.ioctl(self._fd, v4l2.REQBUFS, request)
        for index in range(request.count):
            buffer = v4l2.Buffer(index=index, type=v4l2.CAPTURE, memory=v4l2.MMAP)
            v4l2.ioctl(self._fd, v4l2.QUERYBUF, buffer)
            offset = int(buffer.offset) & 0xFFFFFFFF
            self._maps.append(mmap.mmap(self._fd, int(buffer.length), offset=offset))
            v4l2.ioctl(self._fd, v4l2.QBUF, buffer)
        v4l2.ioctl(self._fd, v4l2.STREAMON, (ctypes.c_int32 * 1)(v4l2.CAPTURE))
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def _decoded(self, data: bytes) -> DecodedPicture | None:
        if self._jpeg is not None:
            return self._jpeg.decode(data)
        return raw_picture(data, self._format, self.mode.width, self.mode.height, self._line)

    def _count_lost(self, sequence: int) -> None:
        if self._sequence is not None and sequence > self._sequence + 1:
            self.lost += sequence - self._sequence - 1
        self._sequence = sequence

    @staticmethod
    def _captured_at(buffer: v4l2.Buffer) -> float:
        """Give the driver's time stamp, if it is of the clock of `time.monotonic`."""
        now = time.monotonic()
        stamp = float(buffer.seconds + buffer.microseconds * 1e-6)
        believed = buffer.flags & v4l2.BUFFER_MONOTONIC and now - _OLDEST_SECONDS < stamp <= now
        return stamp if believed else now

    def _explained(self, error: OSError) -> CameraError:
        """Give what the system says, in one sentence."""
        others = ", ".join(name for name in list_cameras() if name != self._path) or "no other"
        text = {
            errno.ENOENT: f"There is no camera {self._path}: plug it in, or name another (there is {others}).",
            errno.EACCES: f"You have no permission for {self._path}: add your user to the group 'video'.",
            errno.EBUSY: f"{self.name} is in use by another program: close it (`fuser -v {self._path}` names it).",
            errno.ENODEV: f"{self.name} was unplugged.",
            errno.ENXIO: f"{self.name} was unplugged.",
            errno.ENOTTY: f"{self._path} is not a camera: name a device such as /dev/video0.",
            errno.ENOSPC: f"{self.name} gets too little of the USB bus: use another port, or a smaller size.",
        }.get(error.errno or 0)
        return CameraError(
            text or f"{self.name} does not work ({error.strerror or error}): plug it in again."
        )
