"""One door to all cameras."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from dataclasses import replace

from streamfuse.camera.camera_protocol import Camera
from streamfuse.camera.camera_settings import CameraOptions
from streamfuse.camera.camera_source import CameraSource
from streamfuse.camera.network_camera import SCHEMES, NetworkCamera
from streamfuse.camera.stream_door import Door
from streamfuse.core.secret import revealed
from streamfuse.errors import UsageError, without_credentials
from streamfuse.synthetic.film_camera import SampleCamera
from streamfuse.synthetic.simulated_camera import SimulatedCamera, SimulatedSensor, parse_simulated

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://.+", re.IGNORECASE)
_INDEX = re.compile(r"\d{1,4}")
_LATE = re.compile(r"sim:\?(.*&)?camera=late(&|$)")
_KINDS = ("simcam:", "picamera2:", "pylon:", "genicam:")
_DEVICE = re.compile(rf"\d{{1,4}}|/dev/video\d+|({'|'.join(_KINDS)}).*")
_DEFAULTS = CameraOptions()


def is_camera(spec: str) -> bool:
    """Whether this names a camera or a network stream, and not a file."""
    url = _URL.fullmatch(spec)
    if url:
        return url[1].lower() in SCHEMES
    return bool(_INDEX.fullmatch(spec)) or spec.startswith(("/dev/", "sim:", *_KINDS))


def is_device(spec: str) -> bool:
    """Whether this is the name of a local camera, and hardly that of a file."""
    return _DEVICE.fullmatch(spec) is not None


def open_camera(spec: str, options: CameraOptions = _DEFAULTS) -> CameraSource:
    """Open a camera, measure how it obeys if it is to be driven, and wait for its first frame.

    Args:
        spec: an index or /dev/videoN; a URL (rtsp, rtsps, http, https, udp, tcp, srt, rtmp); `sim:` (the built-in
            scene in real time), `simcam:` (a simulated camera that obeys late, see `parse_simulated`); `picamera2:`,
            `pylon:` or `genicam:`, each with the number or the serial number of the camera behind it; or `@FILE` and
            `env:NAME`, which hold one of these (see `streamfuse.core.secret`).
        options: how to drive it.

    Raises:
        UsageError: that is no camera.
        CameraError: it cannot be opened or used, as the message says.
    """
    return CameraSource(connector(spec, options), waiting_for(spec, options))


def waiting_for(spec: str, options: CameraOptions) -> CameraOptions:
    """The options with the time that the first picture of that camera may take: streams begin between keyframes."""
    url = _URL.fullmatch(revealed(spec))
    if not (url and url[1].lower() in SCHEMES):
        return options
    return replace(options, open_timeout=options.open_timeout + options.keyframe_timeout)


def connector(spec: str, options: CameraOptions = _DEFAULTS) -> Callable[[], Camera]:
    """What opens the camera of that name, each time that it has to be opened.

    Raises:
        UsageError: that is no camera.
    """
    spec = revealed(spec)
    url = _URL.fullmatch(spec)
    if url and url[1].lower() in SCHEMES:
        door = Door(spec, options)
        return lambda: NetworkCamera(door)
    if spec.startswith("simcam:") or _LATE.match(spec):
        sensor = SimulatedSensor(parse_simulated(spec))
        return lambda: SimulatedCamera(sensor)
    if spec.startswith("sim:"):
        return lambda: SampleCamera(spec)
    if _INDEX.fullmatch(spec) or spec.startswith("/dev/"):
        return _local(spec, options)
    return _industrial(spec, options)


def _local(spec: str, options: CameraOptions) -> Callable[[], Camera]:
    """A camera of this machine."""
    if platform.system() == "Linux":
        from streamfuse.camera.v4l2 import V4L2Camera

        path = spec if spec.startswith("/") else f"/dev/video{spec}"
        return lambda: V4L2Camera(path, options)
    from streamfuse.camera.opencv import OpenCVCamera

    if not _INDEX.fullmatch(spec):
        raise UsageError(f"{spec!r} is a device of Linux: give the number of a camera, such as 0.")
    return lambda: OpenCVCamera(int(spec), options)


def _industrial(spec: str, options: CameraOptions) -> Callable[[], Camera]:
    """A camera that needs a package of its own."""
    kind, _, which = spec.partition(":")
    if kind == "picamera2":
        from streamfuse.camera.picamera import PiCamera

        return lambda: PiCamera(which, options)
    if kind == "pylon":
        from streamfuse.camera.pylon import PylonCamera

        return lambda: PylonCamera(which, options)
    if kind == "genicam":
        from streamfuse.camera.genicam import GenICamCamera

        return lambda: GenICamCamera(which, options)
    raise UsageError(
        f"{without_credentials(spec)!r} is no camera: give an index such as 0, /dev/videoN, a URL "
        f"({', '.join(SCHEMES)}), or one of {', '.join(_KINDS)}."
    )
