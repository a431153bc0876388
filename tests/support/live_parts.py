"""Cameras and sinks for live tests: quick, and as unruly as a test wants them."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

from streamfuse.config import Config
from streamfuse.core import protocols as stage
from streamfuse.core.protocols import Source
from streamfuse.core.reports import SourceReport
from streamfuse.runtime.live.events import Events
from streamfuse.runtime.live.live_config import LiveConfig, OutputSpec
from streamfuse.synthetic.sample_source import open_sample

SIZE = "96x64"


class Camera(Source):
    """The sample scene, paced or as fast as it is taken, with what a `CameraSource` tells of itself.

    `before` is called with each frame's number before it is given: to wait, to raise, to change `status`.
    """

    def __init__(self, frames=40, rate=40, paced=True, before=lambda number: None, size=SIZE):
        self._sample = open_sample(f"sample:?size={size}&frames={frames}&rate={rate}")
        self.info = self._sample.info
        self.status = SimpleNamespace(
            state="running",
            mode="a test",
            discarded=0,
            lost=0,
            reconnects=0,
            error=None,
            exposures=((500.0, 1.0), (4000.0, 1.0)),
        )
        self.closed = 0
        self._period = 1 / rate if paced else 0.0
        self._before = before
        self._stopped = threading.Event()

    def __iter__(self):
        due = time.monotonic()
        for frame in self._sample:
            self._before(frame.index)
            # Its own clock goes on while the run is busy, as that of a camera does.
            due = max(due + self._period, time.monotonic() - 1)
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                return
            yield replace(frame, captured_at=time.monotonic())

    def report(self):
        return SourceReport(camera=self.status)  # type: ignore[arg-type]

    def close(self):
        self.closed += 1
        self._stopped.set()


class Sink(stage.Sink):
    """Keeps what it is given; `before` is called first, to wait or to raise."""

    def __init__(self, before=lambda frame: None, on_close=lambda: None):
        self.outputs = ["kept"]
        self.frames = []
        self.moments = []
        self.closed = 0
        self._before = before
        self._on_close = on_close

    def write(self, frame):
        self._before(frame)
        self.frames.append(frame)
        self.moments.append(time.monotonic())

    def close(self):
        self.closed += 1
        self._on_close()


class Told(Events):
    """Events as a list of sentences."""

    def __init__(self):
        super().__init__()
        self.sentences = []

    def tell(self, event, text, *, level="info", **fields):
        self.sentences.append(text)


def config(*targets, preset="fast", **live):
    """Settings for a live run with these outputs."""
    outputs = tuple(
        target if isinstance(target, OutputSpec) else OutputSpec(to=str(target)) for target in targets
    )
    settings = LiveConfig(outputs=outputs, preset=preset, **live)
    return Config().with_overrides(fuser="mertens", align="off").model_copy(update={"live": settings})


def wait_for(condition, seconds=20.0):
    """Wait until it is true; False if it never was."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
