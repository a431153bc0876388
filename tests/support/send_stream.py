"""Sends an alternating clip in real time: send_stream.py URL FORMAT [frames]. For tests of network cameras."""

from __future__ import annotations

import sys
import time
from fractions import Fraction

import av
import numpy as np

RATE = 30


def main(url: str, form: str, frames: int) -> None:
    options = {"rtsp_transport": "tcp"} if form == "rtsp" else {}
    with av.open(url, "w", format=form, options=options) as out:
        stream = out.add_stream(
            "libx264", rate=RATE, options={"tune": "zerolatency", "g": "10", "preset": "ultrafast"}
        )
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        began = time.monotonic()
        for number in range(frames):
            picture = np.full((64, 96, 3), 60 if number % 2 == 0 else 180, np.uint8)
            picture[:, number % 96] = 255
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 10**9)
