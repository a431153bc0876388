"""The virtual camera and the preview window, with stand-ins for what this machine has not got."""

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from fused_frames import clip, source_info

from streamfuse.errors import OutputError, UsageError
from streamfuse.runtime.sinks import check_target, open_sink


class FakeCamera:
    def __init__(self, width, height, fps, device=None):
        if device == "/dev/none":
            raise RuntimeError("No v4l2loopback device found.\nmore")
        self.size, self.fps, self.device = (width, height), fps, device or "/dev/video9"
        self.shown, self.closed = [], False

    def send(self, picture):
        self.shown.append(picture)

    def close(self):
        self.closed = True


@pytest.fixture
def virtual(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=FakeCamera))


def test_a_virtual_camera_shows_the_frames(virtual):
    info = source_info(bits=10)
    frame = clip(info, 1)[0]
    with open_sink("virtual:", info) as sink:
        sink.write(frame)
    camera = sink._camera
    assert (camera.size, camera.fps, camera.closed, sink.outputs) == ((64, 48), 25.0, True, ["/dev/video9"])
    assert np.array_equal(camera.shown[0], np.rint(frame.rgb() / 257.0))


def test_a_virtual_camera_without_a_device(virtual):
    with pytest.raises(OutputError, match=r"No v4l2loopback device found.*modprobe v4l2loopback"):
        open_sink("virtual:/dev/none", source_info())


def test_a_virtual_camera_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(UsageError, match=r"pip install 'streamfuse\[virtual\]'"):
        check_target("virtual:")


def test_a_preview_without_windows(monkeypatch):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           NONE\n")
    with pytest.raises(UsageError, match="needs a screen"):
        check_target("preview:")


def test_a_preview_shows_the_frames_until_it_is_closed(monkeypatch):
    shown, visible, gone = [], [1.0], []
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           QT5\n")
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda name, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda *_: -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: visible[0])
    monkeypatch.setattr(cv2, "destroyWindow", gone.append)
    frame = clip(source_info(), 1)[0]
    sink = open_sink("preview:", source_info())
    sink.write(frame)
    assert np.array_equal(shown[0], frame.rgb()[..., ::-1])
    visible[0] = 0.0
    with pytest.raises(OutputError, match="was closed"):
        sink.write(frame)
    sink.close()
    sink.close()
    assert len(gone) == 1
