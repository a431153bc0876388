"""Cameras by OpenCV, where there is no V4L2, with a class in place of its own."""

from __future__ import annotations

import cv2
import pytest
from fake_cameras import HEIGHT, WIDTH, Sensor, check_alternation

from streamfuse.camera import CameraOptions, open_camera
from streamfuse.camera.opencv import OpenCVCamera
from streamfuse.errors import CameraError, UsageError


class FakeCapture:
    """As OpenCV has it; settings can be read back, except those that it does not know."""

    def __init__(self, index, works=True, manual=True, frames=10**6):
        self._works, self._frames = works and index == 0, frames
        self.settings = {
            cv2.CAP_PROP_FPS: 30.0,
            cv2.CAP_PROP_EXPOSURE: -6.0,
            cv2.CAP_PROP_AUTO_EXPOSURE: 0.75,
        }
        self.settings |= {cv2.CAP_PROP_FRAME_WIDTH: WIDTH, cv2.CAP_PROP_FRAME_HEIGHT: HEIGHT}
        self._manual, self.sensor, self.order = manual, Sensor(), []

    def isOpened(self):  # noqa: N802
        return self._works

    def set(self, key, value):
        self.order.append(key)
        if key == cv2.CAP_PROP_EXPOSURE and not self._manual:
            return False
        self.settings[key] = value
        if key == cv2.CAP_PROP_EXPOSURE:
            self.sensor.tell(2.0**value * 1e6)
        return True

    def get(self, key):
        return self.settings.get(key, 0.0)

    def read(self):
        self._frames -= 1
        if self._frames < 0:
            return False, None
        picture = self.sensor.picture()
        return True, cv2.merge([picture, picture, picture])

    def release(self):
        self.sensor.is_open = False


def opencv(monkeypatch, **fake):
    made = []

    def capture(index):
        made.append(FakeCapture(index, **fake))
        return made[-1]

    monkeypatch.setattr(cv2, "VideoCapture", capture)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    return made


def test_opencv_where_there_is_no_v4l2(monkeypatch):
    made = opencv(monkeypatch)
    check_alternation("0", "camera 0")
    assert made[0].settings[cv2.CAP_PROP_AUTO_EXPOSURE] == 0.75
    assert made[0].settings[cv2.CAP_PROP_EXPOSURE] == -6.0
    assert not made[0].sensor.is_open


def test_opencv_asks_for_the_format_before_the_size(monkeypatch):
    made = opencv(monkeypatch)
    OpenCVCamera(0, CameraOptions(size=(WIDTH, HEIGHT), fps=25, drive=False)).close()
    assert made[0].order[:2] == [cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_FRAME_WIDTH]


@pytest.mark.parametrize(
    ("spec", "fake", "error", "sentence"),
    [
        ("1", {}, CameraError, "camera 1 cannot be opened"),
        ("0", {"manual": False}, CameraError, "no manual exposure time"),
        ("0", {"frames": 0}, CameraError, "gives no picture any more"),
        ("/dev/video0", {}, UsageError, "a device of Linux"),
    ],
)
def test_opencv_that_does_not_work(monkeypatch, spec, fake, error, sentence):
    made = opencv(monkeypatch, **fake)
    with pytest.raises(error, match=sentence):
        open_camera(spec)
    assert not made or not made[0].sensor.is_open or not made[0].isOpened()
