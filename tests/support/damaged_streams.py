"""Transport streams that lose datagrams on the way, as over UDP, and the pictures that were sent."""

from __future__ import annotations

import io
import random
from fractions import Fraction

import av
import cv2
import numpy as np

RATE = 30
DATAGRAM = 7 * 188
SIZE = (192, 128)
CODERS = {
    "h264": ("libx264", {"g": "30", "preset": "ultrafast", "tune": "zerolatency"}),
    "h264 with B-frames": ("libx264", {"g": "30", "preset": "veryfast", "bf": "2"}),
    "h264 that refreshes bit by bit": (
        "libx264",
        {"g": "30", "preset": "ultrafast", "tune": "zerolatency", "x264-params": "intra-refresh=1"},
    ),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:keyint=30:bframes=0"}),
    "mpeg2": ("mpeg2video", {"g": "15", "b": "2000000"}),
}


def sent_picture(number, size=SIZE):
    """A texture that moves and a disc that moves otherwise: what was lost shows at once."""
    width, height = size
    random_texture = np.random.default_rng(5).integers(40, 200, (height // 4, width // 4), np.uint8)
    texture = cv2.resize(random_texture, size, interpolation=cv2.INTER_LINEAR)
    luma = np.roll(texture, number * 3, axis=1)
    cv2.circle(luma, ((number * 5) % width, height // 2), height // 5, 230, -1)
    return luma


def transport_stream(coder, frames=150):
    """The bytes of a stream."""
    name, options = CODERS[coder]
    memory = io.BytesIO()
    with av.open(memory, "w", format="mpegts") as out:
        stream = out.add_stream(name, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(frames):
            planes = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
            planes[: SIZE[1]] = sent_picture(number)
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))  # type: ignore[arg-type]
        out.mux(stream.encode(None))
    return memory.getvalue()


def datagrams(data, loss=0.01, seed=1, spared=30):
    """What arrives of it; the first datagrams do, so that there is a beginning."""
    chance = random.Random(seed)
    pieces = [data[at : at + DATAGRAM] for at in range(0, len(data), DATAGRAM)]
    return [piece for n, piece in enumerate(pieces) if n < spared or chance.random() >= loss]


def decoded(data):
    """Presentation time in ticks -> luma, of an undamaged stream."""
    with av.open(io.BytesIO(data), format="mpegts") as stream:
        return {
            frame.pts: frame.to_ndarray(format="yuv420p")[: frame.height].copy()
            for frame in stream.decode(video=0)
        }


def damage_of(picture, whole):
    """Mean difference in codes in the worst block of 16x16."""
    difference = cv2.absdiff(picture, whole).astype(np.float32)
    return float(cv2.resize(difference, (SIZE[0] // 16, SIZE[1] // 16), interpolation=cv2.INTER_AREA).max())
