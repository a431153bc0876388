"""A window on this machine's screen: `preview:`."""

from __future__ import annotations

import re

import cv2

from streamfuse.core.arguments import expect_frame
from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import Sink
from streamfuse.errors import OutputError, UsageError

TARGET = "preview:"
_WINDOW = "streamfuse"
_NEEDS = (
    "A preview window needs a screen, and the package opencv-python in place of opencv-python-headless; --web shows "
    "the picture in a browser without either."
)


class PreviewSink(Sink):
    """Shows fused frames in a window of OpenCV's; all calls have to come from one thread.

    Raises:
        UsageError: OpenCV was built without windows, or there is no screen.
    """

    def __init__(self) -> None:
        try:
            cv2.namedWindow(_WINDOW, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise UsageError(_NEEDS) from error
        self.outputs = [TARGET]
        self._closed = False

    def write(self, frame: FusedFrame) -> None:
        """Show one frame.

        Raises:
            OutputError: the window was closed.
        """
        expect_frame(frame)
        if self._closed or cv2.getWindowProperty(_WINDOW, cv2.WND_PROP_VISIBLE) < 1:
            raise OutputError("The preview window was closed.")
        cv2.imshow(_WINDOW, frame.bgr())
        cv2.waitKey(1)

    def close(self) -> None:
        """Close the window; may be called more than once."""
        if not self._closed:
            self._closed = True
            cv2.destroyWindow(_WINDOW)


def check_windows() -> None:
    """Refuse a preview where OpenCV was built without windows.

    Raises:
        UsageError: it was.
    """
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        raise UsageError(_NEEDS)
