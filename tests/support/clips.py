"""Small video files, written with PyAV directly."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np


def picture(layout, width, height, seed=0):
    """A random picture in a planar 8-bit or 9..16-bit layout, and its planes."""
    frame = av.VideoFrame(width, height, layout)
    rng = np.random.default_rng(seed)
    planes = []
    for plane, component in zip(frame.planes, frame.format.components, strict=True):
        dtype = np.uint8 if component.bits == 8 else np.uint16
        values = rng.integers(0, 1 << component.bits, (plane.height, plane.width)).astype(dtype)
        np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)[:, : plane.width] = values
        planes.append(values)
    return frame, planes


def make_clip(
    path,
    count=10,
    *,
    layout="yuv420p",
    size=(64, 48),
    codec="ffv1",
    stamps=None,
    time_base=None,
    tags=None,
    rotation=None,
    **options,
):
    """Write random pictures; returns the planes of each."""
    written = []
    time_base = time_base or Fraction(1, 1000)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options={key: str(value) for key, value in options.items()})
        stream.width, stream.height, stream.pix_fmt = *size, layout
        stream.codec_context.time_base = stream.time_base = time_base
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i in range(count):
            frame, planes = picture(layout, *size, seed=i)
            frame.pts = stamps[i] if stamps else round(i / 25 / time_base)
            frame.time_base = time_base
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            out.mux(stream.encode(frame))
            written.append(planes)
        out.mux(stream.encode(None))
    return written


def make_audio(path):
    """A file with nothing but sound."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48000)
        for i in range(20):
            sound = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            sound.sample_rate, sound.pts = 48000, i * 1024
            out.mux(stream.encode(sound))
        out.mux(stream.encode(None))
    return path
