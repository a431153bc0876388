"""Sender and receiver of every contender. They send the same picture; each receiver adds up one of its lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from processes import HEIGHT, PORT, WIDTH, address, tell

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from streamfuse.core.frame import FusedFrame, Plane
    from streamfuse.core.protocols import SourceInfo

    Codes = npt.NDArray[np.uint8]

Item = TypeVar("Item")
Subsampling = tuple[int, int]


class NetGear(Protocol):
    """That of vidgear, as far as it is used."""

    def send(self, frame: Codes) -> None: ...

    def recv(self) -> Codes | None: ...

    def close(self) -> None: ...


BYTES = {"4:4:4": HEIGHT * WIDTH * 3, "4:2:0": HEIGHT * WIDTH * 3 // 2}
SUBSAMPLING: dict[str, Subsampling] = {"4:4:4": (0, 0), "4:2:0": (1, 1)}


def pixels(size: int = BYTES["4:4:4"], count: int = 4) -> list[Codes]:
    import numpy as np

    return list(np.random.default_rng(0).integers(0, 256, (count, size), np.uint8))


def pictures() -> list[Codes]:
    """B'G'R', as the baselines take it."""
    return [data.reshape(HEIGHT, WIDTH, 3) for data in pixels()]


def timed(frames: Iterable[Plane], count: int) -> None:
    """Take all frames; tell the rate, and the CPU time of this process, from the first one on."""
    began = cpu = 0.0
    for received, frame in enumerate(frames, 1):
        frame[HEIGHT // 2].sum()
        if received == 1:
            began, cpu = time.perf_counter(), time.process_time()
        if received == count:
            break
    seconds, busy = time.perf_counter() - began, time.process_time() - cpu
    tell(fps=(count - 1) / seconds, cpu_ms=busy / (count - 1) * 1e3)


def sending(send: Callable[[int, Item], object], frames: Sequence[Item], count: int) -> None:
    """Send `count` frames; tell the CPU time of this process for each."""
    cpu = time.process_time()
    for number in range(count):
        send(number, frames[number % len(frames)])
    tell(cpu_ms=(time.process_time() - cpu) / count * 1e3)


def bare_send(transport: str, count: int, layout: str) -> None:
    import zmq

    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUSH)
    socket.sndhwm = 2
    socket.bind(address(transport))
    frames = pixels(BYTES[layout])
    sending(lambda _, frame: socket.send(frame.data, copy=False), frames, count)
    socket.close(10000)
    zmq.Context.instance().term()  # else the frames are freed before they are sent


def bare_receive(transport: str, count: int, layout: str) -> None:
    import numpy as np
    import zmq

    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
    socket.rcvhwm = 2
    socket.connect(address(transport))
    lines = BYTES[layout] // WIDTH
    received = (socket.recv(copy=False) for _ in range(count))
    timed((np.frombuffer(part.buffer, np.uint8).reshape(lines, WIDTH) for part in received), count)


def stream_info(subsampling: Subsampling, width: int = WIDTH, height: int = HEIGHT) -> SourceInfo:
    from streamfuse.core.color_info import ColorInfo
    from streamfuse.core.protocols import SourceInfo

    color = ColorInfo(1, 1, 1)
    return SourceInfo("bench", width, height, 8, subsampling, color, Fraction(1, 30), Fraction(30))


def fused(planes: tuple[Plane, ...], number: int, subsampling: Subsampling) -> FusedFrame:
    from streamfuse.core.color_info import ColorInfo
    from streamfuse.core.frame import FusedFrame

    return FusedFrame(planes, 8, subsampling, ColorInfo(1, 1, 1), number, Fraction(1, 30), number)


def coded(picture: Codes, subsampling: Subsampling) -> tuple[Plane, ...]:
    """A B'G'R' picture as Y'CbCr: planes one after another in one buffer, as decoders and the fusion give them."""
    import numpy as np

    from streamfuse.core.color import rgb_to_planes
    from streamfuse.core.color_info import ColorInfo

    planes = rgb_to_planes(picture[..., ::-1], bits=8, subsampling=subsampling, color=ColorInfo(1, 1, 1))
    return planes_of(np.concatenate([plane.ravel() for plane in planes]), subsampling)


def planes_of(
    data: Plane, subsampling: Subsampling, width: int = WIDTH, height: int = HEIGHT
) -> tuple[Plane, ...]:
    """Y', Cb and Cr, one after another in one buffer."""
    luma, chroma = width * height, (height >> subsampling[1]) * (width >> subsampling[0])
    coloured = data[luma:].reshape(2, -1)[:, :chroma].reshape(2, -1, width >> subsampling[0])
    return data[:luma].reshape(height, width), *coloured


def streamfuse_send(transport: str, count: int, layout: str, kind: str = "") -> None:
    from streamfuse.runtime.sinks import open_sink

    subsampling = SUBSAMPLING[layout]
    frames = [coded(picture, subsampling) for picture in pictures()]
    if kind == "apart":
        frames = [tuple(plane.copy() for plane in planes) for planes in frames]
    with open_sink(f"push:{address(transport)}", stream_info(subsampling)) as sink:
        sending(lambda number, planes: sink.write(fused(planes, number, subsampling)), frames, count)


def streamfuse_receive(transport: str, count: int, _: str, kind: str = "") -> None:
    from streamfuse import subscribe

    frames = subscribe(f"pull:{address(transport)}")
    timed((frame.rgb() if kind == "rgb" else frame.planes[0] for frame in frames), count)


def imagezmq_send(transport: str, count: int, pattern: str) -> None:
    import imagezmq

    wait = pattern == "REQ/REP"
    sender = imagezmq.ImageSender(connect_to=address(transport), REQ_REP=wait)
    if not wait:
        time.sleep(1.5)  # until the subscriber is there
    sending(lambda _, frame: sender.send_image("bench", frame), pictures(), count)
    time.sleep(0.0 if wait else 10.0)


def imagezmq_receive(transport: str, count: int, pattern: str) -> None:
    import imagezmq

    wait = pattern == "REQ/REP"
    hub = imagezmq.ImageHub(open_port=address(transport), REQ_REP=wait)

    def frames() -> Iterator[Codes]:
        while True:
            _, image = hub.recv_image()
            if wait:
                hub.send_reply(b"OK")
            yield image

    timed(frames(), count)


def netgear(transport: str, coding: str, receive: bool) -> NetGear:
    from vidgear.gears import NetGear as Made

    where = "127.0.0.1" if transport == "tcp" else "/tmp/bench_netgear"
    options: dict[str, Any] = {} if coding == "JPEG" else {"jpeg_compression": False}
    made: NetGear = Made(address=where, port=str(PORT), protocol=transport, receive_mode=receive, **options)
    return made


def netgear_send(transport: str, count: int, coding: str) -> None:
    server = netgear(transport, coding, receive=False)
    sending(lambda _, frame: server.send(frame), pictures(), count)
    time.sleep(1.0)
    server.close()


def netgear_receive(transport: str, count: int, coding: str) -> None:
    client = netgear(transport, coding, receive=True)

    def frames() -> Iterator[Codes]:
        while (frame := client.recv()) is not None:
            yield frame

    timed(frames(), count)
    sys.stdout.flush()
    os._exit(0)  # its close waits for a sender that is gone
