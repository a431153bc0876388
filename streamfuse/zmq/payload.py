"""What a published frame carries: its planes as they are, a JPEG, or the packet of a video encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol, cast

import av
import numpy as np

from streamfuse.core.color import convert_planes, neutral_chroma, to_8_bit
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Array, Frame, FusedFrame, Plane
from streamfuse.core.protocols import SourceInfo
from streamfuse.encode.codecs import choose, configure
from streamfuse.encode.video_sink import av_frame
from streamfuse.errors import EncoderError
from streamfuse.imaging.coded import jpeg
from streamfuse.zmq.message import Encoding
from streamfuse.zmq.pixels import chosen_format, pack, packed_color

_BT601 = 6  # JFIF knows no other matrix
_KEYFRAME_SECONDS = 1


@dataclass(frozen=True, slots=True, eq=False)
class Payload:
    """One coded frame.

    Args:
        arrays: the picture's parts as the pixel format names them, or one uint8 array of coded bytes.
        keyframe: it can be decoded without those before it.
    """

    arrays: tuple[Array, ...]
    keyframe: bool = True


class PayloadEncoder(Protocol):
    """Makes payloads, one for each frame and at once.

    Attributes:
        encoding, pixel_format, color: what the header says of all of them.
        parallel: several threads may encode at the same time.
    """

    encoding: Encoding
    pixel_format: str
    color: ColorInfo
    parallel: bool

    def encode(self, frame: Frame | FusedFrame, *, keyframe: bool) -> Payload:
        """Encode one frame; `keyframe`: it has to be decodable without those before it."""


def make_encoder(
    encoding: Encoding, info: SourceInfo, *, pixels: str, quality: int, crf: float | None, rate: Fraction
) -> PayloadEncoder:
    """Give the encoder for frames like `info`.

    Raises:
        EncoderError: it does not take such frames.
        UsageError: no such pixel layout.
    """
    if encoding == "raw":
        return RawEncoder(info, pixels)
    if info.color.is_hdr and info.bits > 8:
        raise EncoderError(
            f"HDR is published as raw frames of 10 bit; {encoding} has 8: leave --encoding out."
        )
    if encoding == "jpeg":
        return JpegEncoder(info, quality)
    return PacketEncoder(encoding, info, crf, rate)


class RawEncoder:
    """The planes themselves, or another layout of them; see `streamfuse.zmq.pixels.LAYOUTS`."""

    encoding: Encoding = "raw"
    parallel = False

    def __init__(self, info: SourceInfo, layout: str) -> None:
        self.pixel_format = chosen_format(layout, info.bits, info.subsampling, info.has_chroma)
        self.color = packed_color(self.pixel_format, info.color)

    def encode(self, frame: Frame | FusedFrame, *, keyframe: bool) -> Payload:
        """Give the planes, without a copy where they are in this layout already."""
        return Payload(tuple(pack(frame, self.pixel_format)))


class JpegEncoder:
    """A JPEG (JFIF: BT.601, full range, 8 bit, 4:2:0 or grey) by libjpeg-turbo.

    Args:
        info: the source of the frames.
        quality: 1..100.
    """

    encoding: Encoding = "jpeg"
    parallel = True

    def __init__(self, info: SourceInfo, quality: int) -> None:
        if not 1 <= quality <= 100:
            raise EncoderError(f"A JPEG quality of {quality} does not exist: choose 1 to 100.")
        if max(info.width, info.height) > 65500:
            raise EncoderError(f"A JPEG cannot hold {info.width}x{info.height}: publish raw frames.")
        self._quality = quality
        self.pixel_format = "yuv420p" if info.has_chroma else "gray"
        self.color = ColorInfo(_BT601, info.color.primaries, info.color.transfer, full_range=True)

    def encode(self, frame: Frame | FusedFrame, *, keyframe: bool) -> Payload:
        """Convert to 8-bit R'G'B' or grey and encode."""
        bgr = to_8_bit(frame.bgr())
        pixels = bgr[..., 0] if len(frame.planes) == 1 else bgr
        return Payload((np.frombuffer(jpeg(pixels, self._quality), np.uint8),))


class PacketEncoder:
    """H.264 or HEVC, 8 bit 4:2:0, without delay: a packet for each frame; a keyframe a second, or when asked for.

    Args:
        encoding: 'h264' or 'hevc'.
        info: the source of the frames; both sides have to be even.
        crf: constant rate factor of the encoder; None is its usual one.
        rate: frames per second.
    """

    parallel = False

    def __init__(self, encoding: Encoding, info: SourceInfo, crf: float | None, rate: Fraction) -> None:
        self.encoding = encoding
        self.pixel_format = "yuv420p"
        self.color = info.color
        settings = choose(encoding, info, crf=crf, speed="ultrafast", pix_fmt="yuv420p", rate=rate)
        options = dict(settings.options) | {"tune": "zerolatency"}
        if settings.encoder == "libx264":
            options["forced-idr"] = "1"
        gop = max(1, round(rate * _KEYFRAME_SECONDS))
        settings = replace(settings, options=options, gop=gop)
        self._context = cast(av.VideoCodecContext, av.CodecContext.create(settings.encoder, "w"))
        configure(self._context, settings, info.width, info.height, 1 / rate)
        self._context.framerate = rate
        self._context.color_primaries, self._context.color_trc = self.color.primaries, self.color.transfer
        self._context.colorspace = self.color.matrix
        self._count = 0

    def encode(self, frame: Frame | FusedFrame, *, keyframe: bool) -> Payload:
        """Encode one frame."""
        picture = av_frame(self._planes(frame), self.pixel_format)
        picture.pts = self._count
        self._count += 1
        if keyframe:
            picture.pict_type = av.video.frame.PictureType.I
        packets = self._context.encode(picture)
        if len(packets) != 1:
            raise EncoderError(
                f"The {self.encoding} encoder here holds frames back: choose another encoding."
            )
        return Payload((np.frombuffer(bytes(packets[0]), np.uint8),), packets[0].is_keyframe)

    def _planes(self, frame: Frame | FusedFrame) -> tuple[Plane, ...]:
        planes = convert_planes(
            frame.planes, frame.bits, frame.subsampling, frame.color,
            to_bits=8, to_subsampling=(1, 1), to_color=self.color,
        )  # fmt: skip
        return (
            planes if len(planes) == 3 else (*planes, *neutral_chroma(frame.height, frame.width, 8, (1, 1)))
        )
