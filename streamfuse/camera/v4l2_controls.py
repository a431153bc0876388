"""The exposure controls of a V4L2 camera: taken out of automatic, and put back as they were."""

from __future__ import annotations

import atexit
import errno
from contextlib import suppress

from streamfuse.camera import v4l2_ioctl as v4l2
from streamfuse.camera.camera_protocol import ExposureLimits
from streamfuse.core.frame import Exposure

_UNIT_US = 100.0
_AUTOMATICS = (
    (v4l2.EXPOSURE_AUTO, v4l2.EXPOSURE_MANUAL),
    (v4l2.EXPOSURE_AUTO_PRIORITY, 0),  # would stretch the time between frames in the dark
    (v4l2.AUTOGAIN, 0),
)


class ExposureControls:
    """Manual exposure of an open device.

    Args:
        fd: of the device, open for reading and writing.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._former: list[tuple[int, int]] = []  # control, value before it was changed
        self._time = self._describe(v4l2.EXPOSURE_ABSOLUTE)

    @property
    def manual(self) -> bool:
        """Tell whether the exposure time can be set at all."""
        return self._time is not None

    @property
    def exposure(self) -> Exposure | None:
        """Give what the camera stands at, if it tells; the automatic's choice before `take`."""
        value = self._get(v4l2.EXPOSURE_ABSOLUTE) if self.manual else None
        return Exposure(time_us=value * _UNIT_US, gain=1.0) if value and value > 0 else None

    def limits(self, period_us: float) -> ExposureLimits | None:
        """Give what can be set without slowing the camera down: no exposure is longer than a frame lasts."""
        if self._time is None:
            return None
        shortest = max(self._time.minimum, 1) * _UNIT_US
        longest = min(self._time.maximum * _UNIT_US, period_us)
        if longest <= shortest:
            return None
        return ExposureLimits((shortest, longest), step_us=max(self._time.step, 1) * _UNIT_US)

    def take(self) -> None:
        """Switch every automatic off; what stood there comes back at `restore`, and when the program ends.

        Raises:
            OSError: the camera refuses, or is gone.
        """
        atexit.register(self.restore)
        for control, value in ((v4l2.EXPOSURE_ABSOLUTE, None), *_AUTOMATICS):
            before = self._get(control)
            if before is None:
                continue
            self._former.append((control, before))
            if value is not None and value != before:
                self._set(control, value)

    def set(self, exposure: Exposure) -> None:
        """Ask for an exposure time, as near as the camera's steps allow.

        Raises:
            OSError: the camera refuses, or is gone.
        """
        assert self._time is not None
        step = max(self._time.step, 1)
        units = (exposure.time_us or _UNIT_US) / _UNIT_US
        value = self._time.minimum + round((units - self._time.minimum) / step) * step
        self._set(v4l2.EXPOSURE_ABSOLUTE, min(max(value, self._time.minimum), self._time.maximum))

    def restore(self) -> None:
        """Put everything back as it was; does nothing the second time."""
        atexit.unregister(self.restore)
        former, self._former = self._former, []
        # The exposure time first: with the automatic on, many cameras do not take it.
        for control, value in former:
            with suppress(OSError):  # it may be unplugged
                self._set(control, value)

    def table(self) -> dict[str, tuple[int, int, int]]:
        """(lowest, highest, present) of the controls that matter here, by the names that the driver gives them."""
        found = {}
        for control in (v4l2.EXPOSURE_ABSOLUTE, *(control for control, _ in _AUTOMATICS)):
            described, value = self._describe(control), self._get(control)
            if described is not None and value is not None:
                name = bytes(described.name).decode("utf-8", "replace")
                found[name] = (described.minimum, described.maximum, value)
        return found

    def _describe(self, control: int) -> v4l2.ControlDescription | None:
        described = v4l2.ControlDescription(id=control)
        try:
            v4l2.ioctl(self._fd, v4l2.QUERYCTRL, described)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return None
            raise
        unusable = v4l2.CONTROL_DISABLED | v4l2.CONTROL_READ_ONLY
        return None if described.flags & unusable else described

    def _get(self, control: int) -> int | None:
        wanted = v4l2.Control(id=control)
        try:
            v4l2.ioctl(self._fd, v4l2.G_CTRL, wanted)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            return None
        return int(wanted.value)

    def _set(self, control: int, value: int) -> None:
        v4l2.ioctl(self._fd, v4l2.S_CTRL, v4l2.Control(id=control, value=value))
