"""Cameras for tests: simulated ones on a clock of their own, and one that follows a script."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import islice, pairwise

import numpy as np

from streamfuse.camera import CameraOptions, open_camera
from streamfuse.camera.camera_protocol import TIME_BASE, CameraMode, EndedError
from streamfuse.camera.camera_source import CameraSource
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame
from streamfuse.errors import CameraError
from streamfuse.synthetic.simulated_camera import SimulatedCamera, SimulatedSensor, SimulatedSettings

QUICK = (0.001, 0.002)  # back-off
WIDTH, HEIGHT = 64, 48  # of a `Sensor`
LIGHT = np.linspace(-4, 1, HEIGHT)[:, None] + np.zeros((1, WIDTH))


def simulated(light=lambda seconds: 0.0, options=None, **settings):
    """A driven simulated camera, as fast as it goes, and its sensor, which knows the truth."""
    sensor = SimulatedSensor(
        SimulatedSettings(**{"width": 96, "height": 64, **settings}), paced=False, light=light
    )
    source = CameraSource(
        lambda: SimulatedCamera(sensor), options or CameraOptions(backoff=QUICK), clock=sensor.clock
    )
    return source, sensor


def grey_frame(seconds=0.0, size=(32, 24), level=100, pts=True):
    """A grey frame that was taken at this time."""
    width, height = size
    return Frame(
        planes=(np.full((height, width), level, np.uint8),),
        bits=8,
        subsampling=(0, 0),
        color=ColorInfo(),
        pts=round(seconds / TIME_BASE) if pts else None,
        time_base=TIME_BASE,
        index=0,
        captured_at=time.monotonic(),
    )


class ScriptedCamera:
    """Gives what its script holds, in order: frames, None (nothing came), or errors, which are raised."""

    limits = exposure = None
    lost = 0
    opened = closed = 0

    def __init__(self, script):
        type(self).opened += 1
        self.name = "scripted"
        self.mode = CameraMode(32, 24, Fraction(30), "GREY")
        self._script = iter(script)
        self._is_open = True

    def set_exposure(self, exposure):
        raise AssertionError("a camera without limits is not told any exposure")

    def grab(self, timeout):
        assert self._is_open, "grabbed after close"
        item = next(self._script, EndedError())
        if isinstance(item, BaseException):
            raise item
        if item is None:
            time.sleep(min(timeout, 0.02))
        return item

    def close(self):
        if self._is_open:
            type(self).closed += 1
        self._is_open = False


def scripted_source(*scripts, **options):
    """A source whose camera follows the next script each time that it is opened; and the class that counts."""

    class Counted(ScriptedCamera):
        opened = closed = 0

    waiting = list(scripts)

    def connect():
        script = waiting.pop(0)
        if isinstance(script, BaseException):
            raise script
        return Counted(script)

    return CameraSource(connect, CameraOptions(**{"backoff": QUICK, **options})), Counted


LOST = CameraError("It was unplugged.")


class Sensor:
    """Obeys three frames late; a frame is taken each time that it is asked for one."""

    def __init__(self, time_us=4000.0):
        self.time_us = time_us
        self._coming = [time_us] * 2
        self.is_open = True

    def tell(self, time_us):
        self.wanted = time_us

    wanted = 4000.0

    def picture(self):
        self._coming.append(self.wanted)
        self.time_us = self._coming.pop(0)
        light = np.clip(2.0**LIGHT * self.time_us / 16_000, 0, 1)
        return (255 * light ** (1 / 2.2)).astype(np.uint8)


def check_alternation(spec, name):
    with open_camera(spec, CameraOptions(reconnect=False)) as source:
        assert source.info.name == name
        frames = list(islice(source, 20))
        assert source.status.latency is not None
    ranks = [frame.exposure.rank for frame in frames]
    assert ranks[:2] in ([0, 1], [1, 0])
    assert all(a != b for a, b in pairwise(ranks))
    dark = max(frame.luma.mean() for frame in frames if frame.exposure.rank == 0)
    assert all(frame.luma.mean() > dark for frame in frames if frame.exposure.rank == 1)
    return frames
