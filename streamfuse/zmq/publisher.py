"""The socket of a published stream: who listens, hello, signs of life, the end of the stream."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import zmq

from streamfuse.core.frame import Array
from streamfuse.errors import OutputError, StreamTimeoutError, UsageError
from streamfuse.zmq.endpoint import Endpoint
from streamfuse.zmq.joined import join
from streamfuse.zmq.message import (
    TOPIC_BYTES,
    Encoding,
    EndHeader,
    Envelope,
    Header,
    HeartbeatHeader,
    HelloHeader,
    encode_header,
)
from streamfuse.zmq.security import allow_only, load_keys, secure_server
from streamfuse.zmq.socket import LinkCounts, LinkMonitor, attach, make_socket

_CONTROL_BYTES = 1024  # of what a subscriber may send: a subscription is a topic and one byte
_TOPICS = 4096  # that are remembered: whoever subscribes to more is up to no good
_SERVE_SECONDS = 0.05
_PUB_END_SECONDS = 1.0
_SLOW_SECONDS = 1.0  # that a live frame waits for a receiver that is there
Late = Literal["wait", "drop"]


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """How to publish; each is an option of the endpoint, such as `?encoding=jpeg&quality=80`.

    Args:
        topic: what to publish under; None is the content's name.
        encoding: 'raw', 'jpeg', 'h264' or 'hevc'.
        pixels: layout of raw frames, see `streamfuse.zmq.pixels.LAYOUTS`.
        quality: of JPEG, 1..100.
        crf: of H.264 and HEVC.
        workers: threads that encode JPEG.
        hwm: messages that wait for each subscriber.
        heartbeat: seconds without a frame after which a sign of life is sent.
        wait: seconds that a frame waits for a receiver (push) before it is an error, and the end of the stream
            for its delivery.
        late: what becomes of a frame that no receiver has room for (push): `wait`, or `drop`, for what is live. Such a
            frame is left out at once where nobody is connected, and after a second where somebody is too slow.
        copy: send copies; needed only where the caller writes to a frame's arrays again.
        keys: file with the key pair of this end, which turns CURVE on.
        clients: folder with the public keys of those who may subscribe; None lets in everybody who has the key.
    """

    topic: str | None = None
    encoding: Encoding = "raw"
    pixels: str = "native"
    quality: int = 85
    crf: float | None = None
    workers: int = 2
    hwm: int = 2
    heartbeat: float = 1.0
    wait: float = 60.0
    late: Late = "wait"
    copy: bool = False
    keys: str | Path | None = None
    clients: str | Path | None = None

    def __post_init__(self) -> None:
        if self.encoding not in get_args(Encoding):
            known = ", ".join(get_args(Encoding))
            raise UsageError(f"There is no encoding {self.encoding!r}: use one of {known}.")
        if self.late not in get_args(Late):
            raise UsageError(f"A late frame cannot be {self.late!r}: use wait or drop.")
        if self.hwm < 1 or self.workers < 1 or not self.heartbeat > 0 or not self.wait > 0:
            raise UsageError("hwm and workers have to be 1 or more, heartbeat and wait more than 0 seconds.")
        if self.clients is not None and self.keys is None:
            raise UsageError("A list of clients needs keys for this end as well: keys=NAME.key_secret.")
        if self.topic is not None and len(self.topic.encode()) > TOPIC_BYTES:
            raise UsageError(f"The topic is longer than {TOPIC_BYTES} bytes.")


class Publisher:
    """Sends the messages of one stream. All but `close` is done under `lock`, which a thread of its own takes too.

    Args:
        endpoint: `pub` or `push`.
        settings: how.
        topic: what it is published under.
        greeting: makes the hello message out of the envelope's fields.

    Attributes:
        lock: guards the socket and the attributes below.
        address: where it is bound or connected, with the port that was chosen.
        topic: may be changed until somebody was sent something.
        seq: number of the next frame.
        dropped: frames that were left out.
        newcomers: somebody has subscribed since this was last set to False.
        failed: nothing can be sent any more.
        warnings: a sentence for each thing the user should know.

    Raises:
        OutputError: the address is taken, or is not this machine's.
        UsageError, InputNotFoundError, InputError: the keys.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: PublishSettings,
        topic: str,
        greeting: Callable[[Envelope], HelloHeader],
    ) -> None:
        self.lock = threading.RLock()
        self.topic = topic
        self.seq = self.dropped = 0
        self.newcomers = True
        self.failed = False
        self.warnings: list[str] = []
        self._endpoint, self._settings, self._greeting = endpoint, settings, greeting
        self._stream = secrets.token_hex(8)
        self._topics: Counter[bytes] = Counter()
        self._closed = threading.Event()
        self._context: zmq.SyncContext = zmq.Context()
        self._authenticator: Any = None
        try:
            if settings.clients is not None:
                self._authenticator = allow_only(self._context, settings.clients)
            self._socket, self._monitor = self._open()
        except BaseException:
            self._release()
            raise
        self._sent_at = time.monotonic()
        self._watched_at = 0.0
        self._helper = threading.Thread(
            target=self._keep_alive, name=f"publish {endpoint.address}", daemon=True
        )
        self._helper.start()

    @property
    def subscribers(self) -> int:
        """Tell how many listen to this topic now (pub); one that subscribes twice counts twice."""
        topic = self.topic.encode()
        return sum(count for prefix, count in self._topics.items() if topic.startswith(prefix))

    @property
    def links(self) -> LinkCounts:
        """Connections made, lost and refused so far."""
        return self._monitor.counts

    def envelope(self, seq: int) -> Envelope:
        """Give what every header says."""
        return {"stream": self._stream, "seq": seq, "published_at": time.time(), "dropped": self.dropped}

    def serve(self) -> None:
        """Read what subscribers say, and tell new ones what the stream is like; read the events of connections."""
        if time.monotonic() - self._watched_at > _SERVE_SECONDS:
            self._watched_at = time.monotonic()
            self._monitor.read()
        if not self._endpoint.live:
            return
        greet = False
        while self._has(zmq.POLLIN):
            parts = self._socket.recv_multipart()
            if len(parts) == 1 and parts[0][:1] in {b"\0", b"\1"}:
                greet |= self._note(parts[0][1:], comes=parts[0][:1] == b"\1")
        if greet:
            self.newcomers = True
            self.send(self._greeting(self.envelope(self.seq)))

    def send(self, header: Header | bytes, arrays: Sequence[Array] = ()) -> bool:
        """Send one message, `header` may be encoded already; push: wait until a receiver takes it.

        Returns:
            False: nobody took it (push, where late frames are dropped).

        Raises:
            StreamTimeoutError: push, and nobody took it in time.
        """
        encoded = header if isinstance(header, bytes) else encode_header(header)
        message: list[Any] = [self.topic.encode(), encoded]
        joined = join(arrays)
        if joined is None or joined.dtype.byteorder == ">":
            message += (np.ascontiguousarray(a, a.dtype.newbyteorder("<")).data for a in arrays)
        else:
            message.append(joined.data)
        if self._endpoint.live:
            with suppress(zmq.Again):  # nobody who listens has room
                self._socket.send_multipart(message, zmq.NOBLOCK, copy=self._settings.copy)
        elif not self._send_waiting(message):
            return False
        self._sent_at = time.monotonic()
        return True

    def close(self) -> None:
        """Send the end of the stream, wait until it has arrived, and close; more than once does nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._helper.join()
        with self.lock:
            if not self.failed:
                self._send_end()
            if not self.failed:
                self._await_goodbye()
            self._monitor.close()
            self._socket.close(0 if self.failed else int(self._patience * 1000))
            self._release()

    @property
    def _patience(self) -> float:
        """Seconds that the end of the stream may take to be delivered."""
        waits = not self._endpoint.live and self._settings.late == "wait"
        return self._settings.wait if waits else _PUB_END_SECONDS

    def _open(self) -> tuple[zmq.SyncSocket, LinkMonitor]:
        settings, endpoint = self._settings, self._endpoint
        socket = make_socket(self._context, endpoint, hwm=settings.hwm, max_bytes=_CONTROL_BYTES)
        if endpoint.live:
            socket.xpub_verboser = (
                True  # each one that comes or goes is told, not the first and the last only
            )
        else:
            socket.sndtimeo = round(_SERVE_SECONDS * 1000)
            # What is live does not queue for a receiver that is not there yet.
            socket.immediate = settings.late == "drop"
        if settings.keys is not None:
            secure_server(socket, load_keys(settings.keys, secret=True))
        elif endpoint.public:
            self.warnings.append(
                f"{endpoint.address} can be reached from other machines, and everybody there can read it: add "
                "keys=NAME.key_secret (made by `streamfuse keys new NAME`), or bind to 127.0.0.1."
            )
        monitor = LinkMonitor(socket)
        try:
            self.address = attach(socket, endpoint)
        except zmq.ZMQError as error:
            monitor.close()
            raise OutputError(
                f"{endpoint.address} cannot be opened ({error.strerror}): choose another address, or end the "
                "program that has it."
            ) from error
        return socket, monitor

    def _release(self) -> None:
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.destroy() if self._closed.is_set() else self._context.destroy(linger=0)

    def _send_waiting(self, message: list[Any]) -> bool:
        drops = self._settings.late == "drop"
        end = time.monotonic() + (min(_SLOW_SECONDS, self._settings.wait) if drops else self._settings.wait)
        while True:
            try:
                self._socket.send_multipart(message, copy=self._settings.copy)
                return True
            except zmq.Again:  # there was no room for `_SERVE_SECONDS`
                self._monitor.read()
                if drops and (self.links.peers <= 0 or time.monotonic() > end):
                    return False
                if time.monotonic() > end:
                    self.failed = True
                    raise StreamTimeoutError(
                        f"Nobody took a frame from {self.address} for {self._settings.wait:g} s: start the receiver "
                        "first, or give more time by wait=SECONDS."
                    ) from None

    def _has(self, event: int) -> bool:
        """Tell whether a message is there, or there is room for one; cheaper than a poll."""
        return bool(cast(int, self._socket.events) & event)

    def _send_end(self) -> None:
        """Tell that the stream is complete, to the slow ones too."""
        end = EndHeader(**self.envelope(self.seq))
        if not self._endpoint.live:
            self._monitor.read()
            with suppress(StreamTimeoutError):
                for count in range(max(1, self.links.peers)):  # ZeroMQ gives one to each in turn
                    self._monitor.read()
                    if count and self.links.peers <= 0:
                        break
                    if self.seq == 0:  # the end of a stream that was never seen counts for nothing
                        self.send(self._greeting(self.envelope(0)))
                    self.send(end)
            return
        message = [self.topic.encode(), encode_header(end)]
        self._socket.xpub_nodrop, self._socket.sndtimeo = True, int(_PUB_END_SECONDS * 500)
        try:
            self._socket.send_multipart(message)
        except zmq.Again:
            self._socket.xpub_nodrop = False  # one hangs: the others shall get it
            self._socket.send_multipart(message)

    def _await_goodbye(self) -> None:
        """Wait until those who got the end have closed their side.

        Were this side closed first, libzmq would throw away at theirs what they have not read yet.
        """
        end = time.monotonic() + self._patience
        while time.monotonic() < end:
            self._monitor.read()
            self.serve()
            if not (self._topics if self._endpoint.live else self.links.peers):
                return
            time.sleep(_SERVE_SECONDS / 10)

    def _keep_alive(self) -> None:
        """Greets those who come while no frame does, and sends signs of life."""
        while not self._closed.wait(_SERVE_SECONDS):
            if not self.lock.acquire(blocking=False):
                continue
            try:
                self.serve()
                silent = time.monotonic() - self._sent_at > self._settings.heartbeat
                if silent and (self._endpoint.live or self._has(zmq.POLLOUT)):
                    self.send(HeartbeatHeader(**self.envelope(self.seq)))
            finally:
                self.lock.release()

    def _note(self, topic: bytes, *, comes: bool) -> bool:
        if not comes:
            self._topics[topic] -= 1
            self._topics += Counter()  # forgets those at zero
        elif topic in self._topics or len(self._topics) < _TOPICS:
            self._topics[topic] += 1
        return comes
