"""HTTP cameras on loopback, with the manners of real ones: parts with and without boundaries, snapshots, pages."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import cv2
import numpy as np

SIZE = (96, 64)


def jpeg(number, size=SIZE):
    """A picture that is dark or bright by turns, with a column that moves."""
    picture = np.full((size[1], size[0], 3), 60 if number % 2 == 0 else 180, np.uint8)
    picture[:, number % size[0]] = 255
    return cv2.imencode(".jpg", picture)[1].tobytes()


def part(number, *, boundary=b"--frame", length=True, ending=b"\r\n"):
    """One part of a multipart answer."""
    data = jpeg(number)
    head = boundary + b"\r\nContent-Type: image/jpeg\r\n" if boundary else b""
    if length and boundary:
        head += b"Content-Length: %d\r\n" % len(data)
    return head + (b"\r\n" if boundary else b"") + data + ending


PARTS = "multipart/x-mixed-replace; boundary=frame"
STREAMS = {
    # name: (content type, what is sent for picture n)
    "multipart": (PARTS, part),
    "multipart without lengths": (PARTS, lambda n: part(n, length=False)),
    "no first boundary": (PARTS, lambda n: jpeg(0) + b"\r\n" if n == 0 else part(n)),
    "headers but no first boundary": (PARTS, lambda n: part(n).removeprefix(b"--frame\r\n") if n == 0 else part(n)),
    "boundary without dashes": (PARTS, lambda n: part(n, boundary=b"frame")),
    "boundary without dashes but the first": (
        PARTS, lambda n: part(n, boundary=b"--frame" if n == 0 else b"frame"),
    ),
    "no boundaries at all": (PARTS, lambda n: part(n, boundary=b"", ending=b"")),
    "bare pictures": ("video/x-motion-jpeg", lambda n: part(n, boundary=b"", ending=b"")),
}  # fmt: skip


@contextmanager
def http_answers(answers):
    """A server that gives each path its answer; gives its address without a path.

    Args:
        answers: (status, headers, body) by path.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = answers[self.path.partition("?")[0]]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Handler) as url:
        yield url


@contextmanager
def http_camera(content_type, picture, *, rate=30.0, frames=None, password=None):
    """A camera that answers everybody alike; gives its address.

    Args:
        content_type: of the answer.
        picture: the bytes to send for picture n, or one answer for all.
        rate: pictures per second.
        frames: hang up after so many.
        password: what has to be given, as USER:PASSWORD in base64.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if password is not None and self.headers.get("Authorization") != f"Basic {password}":
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            if not callable(picture):
                self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            if not callable(picture):
                self.wfile.write(picture)
                return
            began = time.monotonic()
            with suppress(OSError):
                for number in range(frames) if frames else count():
                    self.wfile.write(picture(number))
                    time.sleep(max(0.0, began + (number + 1) / rate - time.monotonic()))

        def log_message(self, *_):
            pass

    with serving(Handler) as url:
        yield f"{url}/video"


@contextmanager
def serving(handler):
    """A server in a thread; gives its address without a path."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
