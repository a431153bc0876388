"""An RTSP camera on loopback that sends over UDP only, and of whose packets some do not come."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import lru_cache

import av
import cv2
import numpy as np

SIZE = (320, 192)
_BITS, _CELL = 12, 16


@lru_cache
def scene_of(share):
    """(H, W) of soft blots, so bright."""
    blots = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 255, SIZE[::-1], np.uint8), (0, 0), 2.0)
    return (np.clip((blots.astype(float) - 127) * 4 + 127, 0, 255) * share).astype(np.uint8)


def picture(number):
    """(H, W) luma with its number in the first lines; dark and bright by turns, everything moves."""
    scene = np.roll(scene_of(0.5 if number % 2 == 0 else 1.0), 3 * number, 1)
    for bit in range(_BITS):
        scene[:_CELL, bit * _CELL : (bit + 1) * _CELL] = 235 if number >> bit & 1 else 10
    return scene


def error(luma):
    """Mean difference to what was sent, in codes."""
    cells = (luma[4:12, bit * _CELL + 4 : (bit + 1) * _CELL - 4].mean() > 120 for bit in range(_BITS))
    number = sum(int(on) << bit for bit, on in enumerate(cells))
    return float(np.abs(luma[_CELL:].astype(int) - picture(number)[_CELL:]).mean())


@contextmanager
def rtsp_camera(codec, loss, frames=300, rate=50):
    """Gives its address; the pictures begin when somebody plays, the loss after sixty of them."""
    stop = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    state = {"lossy": False}
    format_name = {"libx264": "H264", "libx265": "H265"}[codec]
    sdp = (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
        f"a=rtpmap:96 {format_name}/90000\r\na=control:track\r\n"
    )

    def relay(source, client_port):
        chance = random.Random(1)
        with source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not stop.is_set():
                with suppress(TimeoutError):
                    packet = source.recv(65536)
                    if not (state["lossy"] and chance.random() < loss):
                        out.sendto(packet, ("127.0.0.1", client_port))
                        time.sleep(0.0002)

    def send(to):
        options = {"tune": "zerolatency", "preset": "ultrafast", "crf": "18"}
        options |= {"x264-params": "repeat-headers=1"} if codec == "libx264" else {}
        options |= {"x265-params": "log-level=error:repeat-headers=1:keyint=25"} if codec == "libx265" else {}
        with (
            suppress(av.FFmpegError),
            av.open(f"rtp://127.0.0.1:{to}?pkt_size=600", "w", format="rtp") as out,
        ):
            stream = out.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt, stream.codec_context.gop_size = *SIZE, "yuv420p", 25
            began = time.monotonic()
            for number in range(frames):
                planes = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
                planes[: SIZE[1]] = picture(number)
                frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                out.mux(stream.encode(frame))
                state["lossy"] = number >= 60
                if stop.wait(max(0.0, began + number / rate - time.monotonic())):
                    return

    def answer(client):
        client_port = 0
        with client, suppress(OSError):
            asked = client.makefile("rb")
            while lines := [line.decode().strip() for line in iter(asked.readline, b"\r\n") if line]:
                method, headers = (
                    lines[0].split()[0],
                    dict(re.findall(r"^([\w-]+): *(.*)$", "\n".join(lines), re.M)),
                )
                status, more, body = "200 OK", "", ""
                if method == "DESCRIBE":
                    body = sdp
                    more = f"Content-Base: rtsp://127.0.0.1:{port}/x/\r\nContent-Type: application/sdp\r\n"
                elif method == "SETUP":
                    found = re.search(r"client_port=(\d+)", headers["Transport"])
                    if found is None:
                        status = "461 Unsupported Transport"
                    else:
                        client_port = int(found[1])
                        more = f"Transport: {headers['Transport']};server_port=5004-5005\r\nSession: 1\r\n"
                elif method == "PLAY":
                    more = "Session: 1\r\n"
                    source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    source.bind(("127.0.0.1", 0))
                    source.settimeout(0.2)
                    for target, words in ((relay, (source, client_port)), (send, (source.getsockname()[1],))):
                        threads.append(threading.Thread(target=target, args=words, daemon=True))
                        threads[-1].start()
                more += f"Content-Length: {len(body)}\r\n" if body else ""
                client.sendall(f"RTSP/1.0 {status}\r\nCSeq: {headers['CSeq']}\r\n{more}\r\n{body}".encode())

    def serve():
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    threads = []
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"rtsp://127.0.0.1:{port}/x"
    finally:
        stop.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in threads:
            thread.join(5)
