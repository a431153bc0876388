"""A run that is none: pictures with a number burnt into them, and a record of what was asked of it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np

from streamfuse.errors import UsageError
from streamfuse.runtime.live.status import LiveStatus, OutputStatus
from streamfuse.web.server import WebServer

STATUS = LiveStatus(
    source="sim:",
    state="running",
    uptime=3725.4,
    width=320,
    height=180,
    rate_in=29.97,
    rate_out=29.9,
    preset="fast",
    device="cpu",
    fuser="lcndr-xs",
    cycle=2,
    order=("under", "over"),
    gap_ev=3.0,
    frames_in=111_700,
    frames_out=111_650,
    dropped=12,
    discarded=4,
    repaired=1,
    reconnects=0,
    age_ms=(61.0, 84.0, 120.0),
    delay_frames=2,
    bracket_rate=14.9,
    exposures=((1000.0, 1.0), (8000.0, 1.0)),
    recording=None,
    outputs=(
        OutputStatus("zmq tcp://127.0.0.1:5556", "running", 111_650, 0, 0),
        OutputStatus(
            "rtsp://camera-archive.example.org:8554/fused/long-name-of-a-stream", "waiting", 90_000, 310, 4,
            "rtsp://camera-archive.example.org:8554 refused the connection; trying again in 8 s.",
        ),
    ),
)  # fmt: skip


def number_picture(number, view="fused", height=180, width=320):
    """(H, W, 3) RGB that shows its number, with a bar that moves."""
    level = {"under": 40, "over": 200}.get(view, 120)
    picture = np.full((height, width, 3), level, np.uint8)
    picture[:, (number * 5) % (width - 20) :][:, :20] = (250, 160, 30)
    cv2.putText(picture, str(number), (10, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3)
    return picture


class FakeRun:
    """A `LiveControl` whose pictures are numbered by time, `rate` a second."""

    def __init__(self, rate=25.0, paint=number_picture, **figures):
        self.figures = replace(STATUS, **figures)
        self.rate = rate
        self.paint = paint
        self.asked = []  # arguments of set_exposures
        self.pictures = 0  # that were handed out
        self.still = threading.Event()  # set: no new pictures
        self.hang = threading.Event()  # set: status does not answer
        self._began = time.monotonic()
        self._number = 0
        self._released = threading.Event()

    def release(self):
        """Let what hangs go on."""
        self._released.set()

    @property
    def number(self):
        if not self.still.is_set():
            self._number = int((time.monotonic() - self._began) * self.rate) + 1
        return self._number

    def status(self):
        if self.hang.is_set():
            self._released.wait(20)
        return self.figures

    def picture(self, view, after=-1, timeout=0.0):
        deadline = time.monotonic() + timeout
        while (number := self.number) <= after or not self.rate:
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.005)
        self.pictures += 1
        return number, self.paint(number, view)

    def start_recording(self):
        if self.figures.recording is not None:
            raise UsageError("recording-1.mkv is being recorded already.")
        self.figures = replace(self.figures, recording="recording-1.mkv")
        return "recording-1.mkv"

    def stop_recording(self):
        if self.figures.recording is None:
            raise UsageError("Nothing is being recorded.")
        self.figures = replace(self.figures, recording=None)
        return "recording-1.mkv"

    def set_exposures(self, mode, bias_ev=0.0, gap_ev=None):
        if not self.figures.exposures:
            raise UsageError("The exposure of sim: cannot be controlled.")
        self.asked.append((mode, bias_ev, gap_ev))


@contextmanager
def serving(token=None, **options):
    """(run, server): a fake run that is served on a free port of the loopback interface."""
    run = FakeRun(**options)
    with WebServer(run, "127.0.0.1", 0, token) as server:
        yield run, server
    run.release()


class Answer:
    """What a server said."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:200]!r}"


def request(server, method, path, body=None, **headers):
    """One request on a connection of its own; underscores in header names are dashes."""
    port = int(server.url.rstrip("/").rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        connection.request(method, path, body, names)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def get(server, path, **headers):
    return request(server, "GET", path, **headers)


def post(server, path, values=None, **headers):
    if values is None:
        return request(server, "POST", path, **headers)
    return request(server, "POST", path, json.dumps(values), Content_Type="application/json", **headers)
