"""One door to all cameras."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from streamfuse.capture.camera.device import Camera
from streamfuse.capture.camera.driver import PassThrough
from streamfuse.capture.camera.network import SCHEMES, NetworkCamera
from streamfuse.capture.camera.options import CameraOptions
from streamfuse.capture.camera.sample import SampleCamera
from streamfuse.capture.camera.source import CameraSource
from streamfuse.errors import UsageError, without_credentials

_DEVICE = re.compile(r"\d+|/dev/\S+")
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://.+", re.IGNORECASE)
_DEFAULTS = CameraOptions()


def is_camera(spec: str) -> bool:
    """Whether this names a camera or a network stream, and not a file."""
    found = _URL.fullmatch(spec)
    if found:
        return found[1].lower() in SCHEMES
    return bool(_DEVICE.fullmatch(spec)) or spec.startswith(("sim:",))


def open_camera(spec: str, options: CameraOptions = _DEFAULTS) -> CameraSource:
    """Open a camera and wait for its first frame.

    Args:
        spec: an index or /dev/videoN; a URL (rtsp, rtsps, http, https, udp, tcp, srt, rtmp); `sim:` for the built-in
            scene.
        options: how to drive it.

    Raises:
        UsageError: that is no camera.
        CameraError: it cannot be opened or used, as the message says.
    """
    connect = _connector(spec, options)
    return CameraSource(connect, PassThrough, options)


def _connector(spec: str, options: CameraOptions) -> Callable[[], Camera]:
    """What opens the camera of that name, each time that it has to be opened."""
    found = _URL.fullmatch(spec)
    if found and found[1].lower() in SCHEMES:
        return lambda: NetworkCamera(spec, options.open_timeout, options.timeout)
    if spec.startswith("sim:"):
        return lambda: SampleCamera(spec)
    raise UsageError(
        f"{without_credentials(spec)!r} is no camera: give an index such as 0, /dev/videoN, a URL "
        f"({', '.join(SCHEMES)}), or sim:."
    )
