"""The virtual camera and the preview window, with stand-ins for what this machine has not got."""

import os
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from fused_frames import clip, source_info

from streamfuse.core.frame import FusedFrame
from streamfuse.errors import OutputError, UsageError
from streamfuse.runtime.sinks import check_target, open_sink


def no_windows(*_):
    raise cv2.error("built without windows")


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
    monkeypatch.setattr(cv2, "namedWindow", no_windows)
    monkeypatch.setenv("PATH", "/nowhere")
    for open_one in (check_target, open_sink):
        with pytest.raises(UsageError, match=r"needs a screen, and ffplay or"):
            open_one("preview:")


def test_without_windows_of_opencv_a_preview_is_shown_by_ffplay(monkeypatch, tmp_path):
    player = tmp_path / "ffplay"
    player.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nhead -c $((64 * 36 * 3)) > {tmp_path}/shown\n'
    )
    player.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           NONE\n")
    monkeypatch.setattr(cv2, "namedWindow", no_windows)
    check_target("preview:")
    picture = np.random.default_rng(0).integers(0, 256, (36, 64, 3), np.uint8)
    frame = FusedFrame.from_rgb(picture)
    with open_sink("preview:", (64, 36)) as sink:
        sink.write(frame)
        shown = tmp_path / "shown"
        while not shown.is_file() or shown.stat().st_size < picture.size:
            time.sleep(0.01)
        with pytest.raises(OutputError, match="was closed"):  # ffplay has ended: its window is gone
            while True:
                sink.write(frame)
    assert np.array_equal(np.fromfile(shown, np.uint8).reshape(picture.shape), frame.rgb())
    assert "-pixel_format rgb24" in (tmp_path / "asked").read_text()
    assert "-video_size 64x36" in (tmp_path / "asked").read_text()


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
