"""Small synthetic pictures, fused frames of them, and media files to copy from."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import SourceInfo

BT709 = ColorInfo(1, 1, 1, False)
BARS = [
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
    (0, 0, 0),
]


def source_info(
    width=64,
    height=48,
    *,
    bits=8,
    subsampling=(1, 1),
    color=BT709,
    rate=25,
    time_base=None,
    media=None,
    chroma=True,
):
    rate = Fraction(rate)
    return SourceInfo(
        "made",
        width,
        height,
        bits,
        subsampling,
        color,
        time_base or 1 / rate,
        rate,
        media=media,
        has_chroma=chroma,
    )


def bars(info, shift=0):
    """Colour bars, moved by `shift` columns, in the planes that `info` describes."""
    columns = (np.arange(info.width) + shift) * 8 // info.width % 8
    rgb = np.tile(np.array(BARS, np.uint8)[columns], (info.height, 1, 1))
    return rgb_to_planes(rgb, bits=info.bits, subsampling=info.subsampling, color=info.color)


def fused(info, planes, index, pts=None):
    pts = index if pts is None else pts
    return FusedFrame(planes, info.bits, info.subsampling, info.color, pts, info.time_base, index)


def clip(info, count, stamps=None):
    return [fused(info, bars(info, i), i, stamps[i] if stamps else None) for i in range(count)]


def write(sink, frames):
    with sink:
        for frame in frames:
            sink.write(frame)


def largest_error(expected, got):
    pairs = zip(expected.planes, got.planes, strict=True)
    return max(int(np.abs(a.astype(int) - b).max()) for a, b in pairs)


def make_media(path: Path, seconds=2, *, audio_start=0, subtitles=False):
    """A video with AAC audio (and subtitles), as a camera writes it."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream("aac", rate=48000)
        audio.metadata["language"] = "fra"
        text = out.add_mux_stream("subrip") if subtitles else None
        out.metadata["title"] = "A test"
        for i in range(25 * seconds):
            picture = av.VideoFrame.from_ndarray(np.full((72, 64), 16 + i, np.uint8), "yuv420p")
            picture.pts, picture.time_base = i, Fraction(1, 25)
            out.mux(video.encode(picture))
        if text is not None:
            packet = av.Packet(b"hello")
            packet.stream, packet.pts, packet.dts, packet.duration = text, 500, 500, 400
            packet.time_base = Fraction(1, 1000)
            out.mux(packet)
        noise = np.random.default_rng(0)
        for i in range(48000 * seconds // 1024):
            sound = av.AudioFrame.from_ndarray(
                noise.normal(0, 0.1, (2, 1024)).astype(np.float32), "fltp", "stereo"
            )
            sound.sample_rate, sound.pts, sound.time_base = 48000, audio_start + i * 1024, Fraction(1, 48000)
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def packets(path, kind):
    """(seconds, bytes) of each packet of the first stream of a kind."""
    with av.open(str(path)) as media:
        stream = next(s for s in media.streams if s.type == kind)
        return [(p.pts * p.time_base, bytes(p)) for p in media.demux(stream) if p.size]
