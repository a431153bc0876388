"""H.264 or HEVC for people who watch now: no look-ahead, no B-frames, a keyframe every second or two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import av
import av.container

from streamfuse.core.clock import Packet
from streamfuse.core.color import convert_planes, neutral_chroma
from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import SourceInfo
from streamfuse.encode.codecs import EncoderSettings, choose, configure
from streamfuse.encode.ordinary_priority import ordinary_priority
from streamfuse.encode.video_sink import av_frame
from streamfuse.errors import EncoderError

_LOW_LATENCY = {
    "libx264": {"preset": "superfast", "tune": "zerolatency"},
    "libx265": {"preset": "ultrafast", "tune": "zerolatency"},
}
_NVENC = {"preset": "p3", "tune": "ull", "zerolatency": "1", "delay": "0"}
_CRF = 23.0  # streams: a megabit or two at 720p, where files are 18


class StreamEncoder:
    """A video stream of a container, and the encoder that feeds it without delay.

    8-bit 4:2:0 wherever the size allows it, since that is what every player and hardware decoder takes; HDR is 10-bit
    HEVC.

    Args:
        container: open for writing, without streams.
        info: of the frames.
        codec: `h264`, `hevc` or an encoder of FFmpeg; None: H.264, of HDR HEVC.
        bitrate: bits per second; None for a constant quality.
        crf: constant rate factor, where no bit rate is given.
        speed: the encoder's preset.
        keyframe_seconds: from one keyframe to the next, at most.

    Raises:
        EncoderError: no such encoder, or one that the container cannot hold.
    """

    def __init__(
        self, container: av.container.OutputContainer, info: SourceInfo, *, codec: str | None = None,
        bitrate: int | None = None, crf: float | None = None, speed: str | None = None,
        keyframe_seconds: float = 1.0,
    ) -> None:  # fmt: skip
        self._info = info
        even = info.width % 2 == 0 and info.height % 2 == 0
        hdr = info.color.is_hdr
        if hdr and codec not in (None, "hevc", "libx265"):
            raise EncoderError(
                f"HDR is sent as HEVC, in 10 bit, which players look for; {codec} is not: leave it out."
            )
        codec = codec or ("hevc" if hdr else "h264")
        layout = "yuv420p10le" if hdr else "yuv420p"
        chosen = choose(
            codec,
            info,
            crf=_CRF if crf is None else crf,
            bits=10 if hdr else 8,
            pix_fmt=layout if even else None,
        )
        self._settings = _low_latency(chosen, info, bitrate, speed, keyframe_seconds)
        self._color = replace(info.color, full_range=self._settings.full_range)
        self._last: int | None = None
        try:
            stream = container.add_stream(self._settings.encoder, rate=info.rate)
        except ValueError as error:
            raise EncoderError(
                f"{codec} cannot be sent this way ({container.format.name}): "
                + ("leave --hdr out, or choose another output." if hdr else "choose h264.")
            ) from error
        self._stream = cast(av.VideoStream, stream)
        context = self._stream.codec_context
        configure(context, self._settings, info.width, info.height, info.time_base)
        if bitrate is not None:
            context.bit_rate = bitrate
        context.color_primaries, context.color_trc = self._color.primaries, self._color.transfer
        context.colorspace = self._color.matrix
        self._stream.time_base = info.time_base

    def encode(self, frame: FusedFrame) -> Iterator[Packet]:
        """Packets that are ready with this frame; a time stamp that does not grow is moved on."""
        pixels = self._settings.pixels
        target = replace(frame.color, matrix=self._color.matrix, full_range=self._color.full_range)
        planes = convert_planes(
            frame.planes, frame.bits, frame.subsampling, frame.color,
            to_bits=pixels.bits, to_subsampling=pixels.subsampling, to_color=target,
        )  # fmt: skip
        if len(planes) == 1 and not pixels.gray:
            planes += neutral_chroma(frame.height, frame.width, pixels.bits, pixels.subsampling)
        picture = av_frame(planes, pixels.planar)
        picture.pts, picture.time_base = self._pts(frame), self._info.time_base
        if not self._stream.codec_context.is_open:
            with ordinary_priority():
                self._stream.codec_context.open()
        yield from self._stream.encode(picture)

    def flush(self) -> Iterator[Packet]:
        """Give what the encoder still holds."""
        yield from self._stream.encode(None)

    def _pts(self, frame: FusedFrame) -> int:
        base = self._info.time_base
        following = 0 if self._last is None else self._last + 1
        stamp = following if frame.pts is None else round(frame.pts * frame.time_base / base)
        self._last = max(following, stamp)
        return self._last


def _low_latency(
    settings: EncoderSettings,
    info: SourceInfo,
    bitrate: int | None,
    speed: str | None,
    keyframe_seconds: float,
) -> EncoderSettings:
    options = dict(settings.options)
    options |= _NVENC if settings.encoder.endswith("_nvenc") else _LOW_LATENCY.get(settings.encoder, {})
    if speed:
        options["preset"] = speed
    if bitrate is not None:
        options.pop("crf", None)
        # Half a second of buffer: what a viewer on a line of this width can take without waiting.
        options |= {"maxrate": str(bitrate), "bufsize": str(bitrate // 2)}
    if settings.encoder == "libx265":
        options["x265-params"] = "log-level=error:bframes=0"
    gop = max(1, round(float(info.rate) * keyframe_seconds))
    return replace(settings, options=options, gop=gop, threads=0)
