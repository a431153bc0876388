"""A window on this machine's screen, by OpenCV or by ffplay: `preview:`, and `subscribe --view`."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from typing import Protocol

import cv2
import numpy as np

from streamfuse.core.arguments import expect_frame
from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import Sink
from streamfuse.errors import OutputError, UsageError

TARGET = "preview:"
_WINDOW = "streamfuse"
_NEEDS = (
    "A window needs a screen, and ffplay or the package opencv-python in place of opencv-python-headless; `live --web` "
    "shows the picture in a browser without either."
)


class Viewer(Protocol):
    """A window; all calls have to come from one thread."""

    def show(self, frame: FusedFrame) -> bool:
        """Show one frame; False if the window was closed."""

    def close(self) -> None:
        """Close the window."""


def open_viewer() -> Viewer:
    """Open a window by OpenCV, or by ffplay where OpenCV was built without windows.

    Raises:
        UsageError: there is neither, or no screen.
    """
    with suppress(cv2.error):
        cv2.namedWindow(_WINDOW, cv2.WINDOW_NORMAL)
        return _Window()
    player = shutil.which("ffplay")
    if player is None:
        raise UsageError(_NEEDS)
    return _Player(player)


def check_windows() -> None:
    """Refuse a window, without opening one, where neither OpenCV nor ffplay has any.

    Raises:
        UsageError: it is so.
    """
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()) and shutil.which("ffplay") is None:
        raise UsageError(_NEEDS)


class PreviewSink(Sink):
    """Shows fused frames in a window; all calls have to come from one thread.

    Raises:
        UsageError: as `open_viewer`.
    """

    def __init__(self) -> None:
        self._viewer = open_viewer()
        self.outputs = [TARGET]
        self._closed = False

    def write(self, frame: FusedFrame) -> None:
        """Show one frame.

        Raises:
            OutputError: the window was closed.
        """
        expect_frame(frame)
        if self._closed or not self._viewer.show(frame):
            raise OutputError("The preview window was closed.")

    def close(self) -> None:
        """Close the window; may be called more than once."""
        if not self._closed:
            self._closed = True
            self._viewer.close()


class _Window:
    """A window of OpenCV's."""

    def show(self, frame: FusedFrame) -> bool:
        if cv2.getWindowProperty(_WINDOW, cv2.WND_PROP_VISIBLE) < 1:
            return False
        cv2.imshow(_WINDOW, frame.bgr())
        cv2.waitKey(1)
        return True

    def close(self) -> None:
        cv2.destroyWindow(_WINDOW)


class _Player:
    """ffplay, fed through a pipe."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def show(self, frame: FusedFrame) -> bool:
        pixels = frame.rgb()
        if self._process is None:
            layout = "rgb24" if pixels.dtype == np.uint8 else "rgb48le"
            options = f"-v quiet -fflags nobuffer -f rawvideo -pixel_format {layout}".split()
            size = ["-video_size", f"{frame.width}x{frame.height}", "-window_title", _WINDOW, "-i", "-"]
            self._process = subprocess.Popen([self._program, *options, *size], stdin=subprocess.PIPE)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(pixels).data)
        except BrokenPipeError:
            return False
        return True

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
