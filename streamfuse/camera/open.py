"""One door to all cameras."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from streamfuse.camera.camera_protocol import Camera
from streamfuse.camera.camera_settings import CameraOptions
from streamfuse.camera.camera_source import CameraSource
from streamfuse.camera.network_camera import SCHEMES, NetworkCamera
from streamfuse.camera.stream_door import Door
from streamfuse.core.plugins import installed, load
from streamfuse.core.secret import revealed
from streamfuse.errors import UsageError, without_credentials
from streamfuse.synthetic.film_camera import SampleCamera
from streamfuse.synthetic.simulated_camera import SimulatedCamera, SimulatedSensor, parse_simulated

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://.+", re.IGNORECASE)
_INDEX = re.compile(r"\d{1,4}")
_KIND = re.compile(r"([a-z][a-z0-9_-]*):.*", re.DOTALL)
_DEFAULTS = CameraOptions()
_DRIVERS: Mapping[str, str] = {
    "picamera2": "streamfuse.camera.picamera:PiCamera",
    "pylon": "streamfuse.camera.pylon:PylonCamera",
    "genicam": "streamfuse.camera.genicam:GenICamCamera",
}
"""Name -> module:class of the cameras that need a package of their own; those of others come by `core.plugins`."""

Driver = Callable[[str, CameraOptions], Camera]
"""Opens a camera: what stands behind the colon of its name, and how to drive it."""
if (
    TYPE_CHECKING
):  # they are imported by name: this is where their types are compared with what a driver has to be
    from streamfuse.camera.genicam import GenICamCamera
    from streamfuse.camera.picamera import PiCamera
    from streamfuse.camera.pylon import PylonCamera

    _TYPED: tuple[Driver, ...] = (PiCamera, PylonCamera, GenICamCamera)


def is_camera(spec: str) -> bool:
    """Tell whether this names a camera or a network stream, and not a file."""
    url = _URL.fullmatch(spec)
    if url:
        return url[1].lower() in SCHEMES
    return bool(_INDEX.fullmatch(spec)) or spec.startswith(("/dev/", "sim:")) or _kind(spec) is not None


def is_device(spec: str) -> bool:
    """Tell whether this is the name of a local camera, and hardly that of a file."""
    return re.fullmatch(r"\d{1,4}|/dev/video\d+", spec) is not None or _kind(spec) is not None


def open_camera(spec: str, options: CameraOptions = _DEFAULTS) -> CameraSource:
    """Open a camera, measure how it obeys if it is to be driven, and wait for its first frame.

    Args:
        spec: an index or /dev/videoN; a URL (rtsp, rtsps, http, https, udp, tcp, srt, rtmp); `sim:` (the built-in
            scene in real time), `simcam:` (a simulated camera that obeys late, see `parse_simulated`); `picamera2:`,
            `pylon:` or `genicam:`, each with the number or the serial number of the camera behind it; a driver of
            another package (see `streamfuse.core.plugins`), as NAME:WHICH; or `@FILE` and
            `env:NAME`, which hold one of these (see `streamfuse.core.secret`).
        options: how to drive it.

    Raises:
        UsageError: that is no camera.
        CameraError: it cannot be opened or used, as the message says.
    """
    return CameraSource(connector(spec, options), waiting_for(spec, options))


def waiting_for(spec: str, options: CameraOptions) -> CameraOptions:
    """Give the options with the time that the first picture may take: streams begin between keyframes."""
    url = _URL.fullmatch(revealed(spec))
    if not (url and url[1].lower() in SCHEMES):
        return options
    return replace(options, open_timeout=options.open_timeout + options.keyframe_timeout)


def connector(spec: str, options: CameraOptions = _DEFAULTS) -> Callable[[], Camera]:
    """Give what opens the camera of that name, each time that it has to be opened.

    Raises:
        UsageError: that is no camera.
    """
    spec = revealed(spec)
    url = _URL.fullmatch(spec)
    if url and url[1].lower() in SCHEMES:
        door = Door(spec, options)
        return lambda: NetworkCamera(door)
    if spec.startswith("simcam:"):
        sensor = SimulatedSensor(parse_simulated(spec))
        return lambda: SimulatedCamera(sensor)
    if spec.startswith("sim:"):
        return lambda: SampleCamera(spec)
    if _INDEX.fullmatch(spec) or spec.startswith("/dev/"):
        return _local(spec, options)
    return _with_driver(spec, options)


def _local(spec: str, options: CameraOptions) -> Callable[[], Camera]:
    """Give a camera of this machine."""
    if platform.system() == "Linux":
        from streamfuse.camera.v4l2 import V4L2Camera

        path = spec if spec.startswith("/") else f"/dev/video{spec}"
        return lambda: V4L2Camera(path, options)
    from streamfuse.camera.opencv import OpenCVCamera

    if not _INDEX.fullmatch(spec):
        raise UsageError(f"{spec!r} is a device of Linux: give the number of a camera, such as 0.")
    return lambda: OpenCVCamera(int(spec), options)


def _kind(spec: str) -> str | None:
    """Give the name before the colon, where it is that of a driver."""
    named = _KIND.fullmatch(spec)
    if named is None:
        return None
    known = named[1] == "simcam" or named[1] in _DRIVERS or named[1] in installed("streamfuse.cameras")
    return named[1] if known else None


def _with_driver(spec: str, options: CameraOptions) -> Callable[[], Camera]:
    """Give a camera that needs a package of its own, or whose driver is in one."""
    kind, which = _kind(spec), spec.partition(":")[2]
    if kind is None:
        kinds = ("sim", "simcam", *_DRIVERS, *installed("streamfuse.cameras"))
        film = " A film is fused by `streamfuse fuse`." if Path(spec).is_file() else ""
        raise UsageError(
            f"{without_credentials(spec)!r} is no camera: give an index such as 0, /dev/videoN, a URL "
            f"({', '.join(SCHEMES)}), or one of {', '.join(f'{name}:' for name in kinds)}.{film}"
        )
    if kind in _DRIVERS:
        module, _, name = _DRIVERS[kind].partition(":")
        driver: Driver = getattr(import_module(module), name)
    else:
        driver = cast(Driver, load("streamfuse.cameras", kind))
    return lambda: driver(which, options)
