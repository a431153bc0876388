"""Small frames to publish."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import numpy as np

from streamfuse.core.color import chroma_shape
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure, Frame, FusedFrame
from streamfuse.core.protocols import SourceInfo

BT709 = ColorInfo(1, 1, 1, False)
BASE = Fraction(1, 30)


def stream_info(width=64, height=48, *, bits=8, subsampling=(1, 1), chroma=True):
    return SourceInfo("made", width, height, bits, subsampling, BT709, BASE, Fraction(30), has_chroma=chroma)


def planes(index=0, width=64, height=48, *, bits=8, subsampling=(1, 1), chroma=True):
    """Noise in the legal range, different for each index."""
    rng = np.random.default_rng(index)
    dtype = np.uint8 if bits == 8 else np.uint16
    low, high = 16 << (bits - 8), 235 << (bits - 8)
    shapes = [(height, width), *([chroma_shape(height, width, subsampling)] * 2 if chroma else [])]
    return tuple(rng.integers(low, high, shape).astype(dtype) for shape in shapes)


def fused_frame(index=0, width=64, height=48, *, bits=8, subsampling=(1, 1), chroma=True, **fields):
    pixels = planes(index, width, height, bits=bits, subsampling=subsampling, chroma=chroma)
    return FusedFrame(pixels, bits, subsampling, BT709, index, BASE, index, (index,), **fields)


def single_frame(index=0, width=64, height=48):
    exposure = Exposure(time_us=500.0 * 8 ** (index % 2), gain=1.0, rank=index % 2)
    return Frame(planes(index, width, height), 8, (1, 1), BT709, index, BASE, index, exposure)


def smooth_frame(index=0, width=64, height=48):
    """A gradient that moves: what coders are made for."""
    luma = (np.add.outer(np.arange(height), np.arange(width)) + 4 * index) % 180 + 30
    chroma = np.full((height // 2, width // 2), 120, np.uint8)
    return FusedFrame((luma.astype(np.uint8), chroma, chroma), 8, (1, 1), BT709, index, BASE, index)


def same_pixels(first, second):
    return len(first.planes) == len(second.planes) and all(map(np.array_equal, first.planes, second.planes))


def publish(sink, count, pause=0.01, end=True):
    """Publish frames from a thread."""

    def run():
        for number in range(count):
            sink.write(fused_frame(number))
            time.sleep(pause)
        if end:
            sink.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
