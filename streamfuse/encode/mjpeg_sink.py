"""Motion JPEG over HTTP, for a browser's <img> and for everything that knows no codec: `mjpeg://HOST:PORT`."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from streamfuse.core.arguments import expect_frame
from streamfuse.core.color import to_8_bit
from streamfuse.core.frame import FusedFrame
from streamfuse.core.latest import Latest, Made
from streamfuse.core.multipart import BOUNDARY, MEDIA_TYPE, part
from streamfuse.core.protocols import Sink
from streamfuse.errors import OutputError, UsageError, without_credentials
from streamfuse.imaging.coded import jpeg

_QUALITY = 80
_SEND_SECONDS = 5.0
_MAX_CLIENTS = 16
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class MjpegSink(Sink):
    """A small HTTP server. Each client gets the newest picture as fast as it takes them; nobody waits for it.

    Pictures are encoded by the threads of the clients, so none costs nothing; a client that takes nothing for five
    seconds is hung up on.

    Args:
        url: `mjpeg://HOST:PORT[?quality=80][&token=SECRET]`. Beyond this machine's own loopback a token is required,
            and clients add `?token=SECRET`.

    Raises:
        UsageError: not such an address, or no token where one is required.
        OutputError: the port is taken, or not this machine's.
    """

    def __init__(self, url: str) -> None:
        host, port, quality, token = _parse(url)
        name = without_credentials(url)
        try:
            self._server = _Server((host, port), self._handler(token))
        except OSError as error:
            raise OutputError(
                f"{name} cannot be opened ({error.strerror}): choose another port, or end what uses it."
            ) from error
        self.port = int(self._server.server_address[1])
        self.outputs = [f"http://{host}:{self.port}/"]
        self._newest: Latest[FusedFrame] = Latest()
        self._jpegs = Made(self._newest, lambda frame: _jpeg(frame, quality))
        self._places = threading.BoundedSemaphore(_MAX_CLIENTS)
        self._closed = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="streamfuse mjpeg", daemon=True
        )
        self._thread.start()

    def write(self, frame: FusedFrame) -> None:
        """Make this the newest picture."""
        expect_frame(frame)
        self._newest.put(frame)

    def close(self) -> None:
        """Hang up; may be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._newest.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)

    def after(self, number: int) -> tuple[int, bytes] | None:
        """(number, JPEG) of the newest picture above `number`; None if the sink was closed."""
        return self._jpegs.after(number)

    def enter(self) -> bool:
        """Count a client in; False if there are too many."""
        return self._places.acquire(blocking=False)

    def leave(self) -> None:
        """Count it out."""
        self._places.release()

    def _handler(self, token: str | None) -> type[BaseHTTPRequestHandler]:
        return type("MjpegHandler", (_Handler,), {"sink": self, "token": token, "timeout": _SEND_SECONDS})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    sink: MjpegSink
    token: str | None

    def do_GET(self) -> None:
        """Send pictures until one side has enough."""
        given = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        if self.token is not None and not hmac.compare_digest(given.encode(), self.token.encode()):
            self.send_error(HTTPStatus.FORBIDDEN, "The token is missing or wrong")
        elif not self.sink.enter():
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "Too many clients")
        else:
            try:
                self._stream(self.sink.after)
            finally:
                self.sink.leave()

    def _stream(self, after: Callable[[int], tuple[int, bytes] | None]) -> None:
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", MEDIA_TYPE)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        number = -1
        with suppress(OSError):  # the client is gone, or took nothing for too long
            self.wfile.write(BOUNDARY)
            while (found := after(number)) is not None:
                number, picture = found
                self.wfile.write(part(picture, number))

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: their addresses hold tokens."""


def _parse(url: str) -> tuple[str, int, int, str | None]:
    """(host, port, quality, token)."""
    name = without_credentials(url)
    shape = "write it like mjpeg://127.0.0.1:8090"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        quality = int(query.pop("quality", _QUALITY))
    except ValueError as error:
        raise UsageError(f"{name} is no address: {shape}.") from error
    token = query.pop("token", None)
    if port is None or query or not 1 <= quality <= 100:
        raise UsageError(f"{name} is not understood: {shape}, with ?quality=1..100 or &token=SECRET.")
    if host not in _LOOPBACK and not token:
        raise UsageError(f"{name} can be seen by other machines: add ?token=SECRET, or use 127.0.0.1.")
    return host, port, quality, token


def check_url(url: str) -> None:
    """Refuse an address that is none.

    Raises:
        UsageError: as `MjpegSink`.
    """
    _parse(url)


def _jpeg(frame: FusedFrame, quality: int) -> bytes:
    return jpeg(to_8_bit(frame.bgr()), quality)
