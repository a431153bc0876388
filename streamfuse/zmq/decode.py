"""From a checked message to a frame: raw planes as they are, JPEG, H.264 and HEVC by FFmpeg's decoders."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Array, Exposure, Pixels, Plane
from streamfuse.core.protocols import SourceInfo
from streamfuse.errors import WireError, WireLimitError
from streamfuse.zmq.message import FrameHeader, Limits, Message, PartInfo, PictureHeader, picture_parts
from streamfuse.zmq.pixels import FORMATS, PixelFormat, unpack, unpacked_color
from streamfuse.zmq.received import ReceivedFrame

if TYPE_CHECKING:
    import av

_DECODERS = {"jpeg": "mjpeg", "h264": "h264", "hevc": "hevc"}
_SOF = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive Huffman JPEG


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame message and when it came (`time.monotonic()`)."""

    message: Message
    header: FrameHeader
    received_at: float


class _Picture(NamedTuple):
    """What a header says of its picture; the same for all headers that have the same `parts`, not only equal ones.

    Args:
        parts: the header's.
        own: how many of them are the picture's own.
        layout: of its pixels.
        packed, unpacked: colour of the payload and of the frame's planes.
        time_base: seconds per unit of pts.
    """

    parts: tuple[PartInfo, ...]
    own: int
    layout: PixelFormat
    packed: ColorInfo
    unpacked: ColorInfo
    time_base: Fraction


def _picture_of(header: FrameHeader) -> _Picture:
    color = _color_of(header)
    name = header.pixel_format
    return _Picture(
        header.parts, picture_parts(header), FORMATS[name], color, unpacked_color(name, color),
        Fraction(*header.time_base),
    )  # fmt: skip


def _color_of(header: PictureHeader) -> ColorInfo:
    return ColorInfo(*(getattr(header.color, name) for name in ColorInfo.__slots__))


class FrameDecoder:
    """Makes frames of messages.

    A lost packet of H.264 or HEVC makes all packets useless until the next keyframe: they give no frame.

    Attributes:
        undecodable: frames that came and could not be decoded for want of one before them.
    """

    def __init__(self, limits: Limits) -> None:
        self.undecodable = 0
        self._limits = limits
        self._context: av.VideoCodecContext | None = None
        self._last: tuple[str, int] | None = None  # stream and seq of the last packet that was decoded
        self._picture: _Picture | None = None

    @staticmethod
    def stateful(header: FrameHeader) -> bool:
        """Tell whether the frame needs those before it, so that each has to be decoded, in order."""
        return header.encoding in {"h264", "hevc"}

    def decode(self, arrived: Arrived) -> ReceivedFrame | None:
        """Give the frame, or None if one that it needs was lost.

        Raises:
            WireError: the coded picture is damaged, or not what its header says.
            WireLimitError: it says of itself that it is larger than allowed.
        """
        header, arrays = arrived.header, arrived.message.arrays
        picture = self._picture
        if picture is None or picture.parts is not header.parts:
            picture = self._picture = _picture_of(header)
        rgb = None
        if header.encoding == "raw":
            planes, rgb = unpack(
                header.pixel_format, cast(tuple[Plane, ...], arrays[: picture.own]), picture.packed
            )
        else:
            found = self._decode_coded(header, arrays[0])
            if found is None:
                self.undecodable += 1
                return None
            planes = found
        return _frame(arrived, picture, planes, rgb)

    def _decode_coded(self, header: FrameHeader, data: Array) -> tuple[Plane, ...] | None:
        if not self.stateful(header):
            _check_jpeg(data, header)
            return _decode_packet(self._new_context(header), header, data)
        follows = self._last == (header.stream, header.seq - 1) and self._context is not None
        self._last = None
        if not follows:
            if not header.keyframe:
                return None
            self._context = self._new_context(header)
        assert self._context is not None
        planes = _decode_packet(self._context, header, data)
        self._last = (header.stream, header.seq)
        return planes

    def _new_context(self, header: FrameHeader) -> av.VideoCodecContext:
        import av

        context = av.CodecContext.create(_DECODERS[header.encoding], "r")
        context.options = {"max_pixels": str(self._limits.pixels), "flags": "+low_delay"}
        context.thread_count = 1  # frame threads would hold frames back
        return cast(Any, context)


def _decode_packet(context: av.VideoCodecContext, header: FrameHeader, data: Array) -> tuple[Plane, ...]:
    import av

    try:
        frames = context.decode(av.Packet(data.tobytes()))
    except av.FFmpegError as error:
        raise WireError(f"Frame {header.seq} is damaged {header.encoding} ({error.strerror}).") from None
    if len(frames) != 1:
        raise WireError(
            f"The {header.encoding} packet of frame {header.seq} holds {len(frames)} pictures, not 1."
        )
    return _planes(frames[0], header)


def _planes(picture: av.VideoFrame, header: FrameHeader) -> tuple[Plane, ...]:
    """Copy the planes of a decoded picture, which has to be what its header says."""
    found = picture.format.name.replace("yuvj", "yuv")
    if (found, picture.width, picture.height) != (header.pixel_format, header.width, header.height):
        raise WireError(
            f"Frame {header.seq} is {picture.width}x{picture.height} {found}, its header says "
            f"{header.width}x{header.height} {header.pixel_format}."
        )
    dtype = np.dtype(np.uint8 if FORMATS[header.pixel_format].bits == 8 else np.uint16)
    planes = []
    for plane in picture.planes:
        lines = np.frombuffer(cast(Any, plane), dtype).reshape(
            plane.height, plane.line_size // dtype.itemsize
        )
        planes.append(lines[:, : plane.width].copy())
    return tuple(planes)


def _check_jpeg(data: Array, header: FrameHeader) -> None:
    """Compare the size in a JPEG's frame header with the message's, before a decoder allocates a picture for it."""
    code = memoryview(cast(Any, data))
    place = 2
    while bytes(code[:2]) == b"\xff\xd8" and place + 9 <= len(code) and code[place] == 0xFF:
        marker, length = code[place + 1], int.from_bytes(code[place + 2 : place + 4])
        if marker in _SOF:
            height = int.from_bytes(code[place + 5 : place + 7])
            width = int.from_bytes(code[place + 7 : place + 9])
            if (width, height) != (header.width, header.height):
                raise WireLimitError(
                    f"The JPEG of frame {header.seq} is {width}x{height}, its header says "
                    f"{header.width}x{header.height}."
                )
            return
        place += 2 + length
    raise WireError(f"Frame {header.seq} is damaged jpeg: it has no frame header.")


def _frame(
    arrived: Arrived, picture: _Picture, planes: tuple[Plane, ...], rgb: Pixels | None
) -> ReceivedFrame:
    header = arrived.header
    captured = None
    if header.captured_at is not None:
        captured = time.monotonic() - (time.time() - header.captured_at)
    exposure = header.exposure
    return ReceivedFrame(
        planes=planes,
        bits=picture.layout.bits,
        subsampling=picture.layout.subsampling,
        color=picture.unpacked,
        pts=header.pts,
        time_base=picture.time_base,
        index=header.index,
        exposures=header.exposures,
        stats=header.stats,
        captured_at=captured,
        maps=_maps(arrived, picture),
        seq=header.seq,
        stream=header.stream,
        topic=arrived.message.topic,
        content=header.content,
        encoding=header.encoding,
        published_at=header.published_at,
        received_at=arrived.received_at,
        dropped=header.dropped,
        exposure=None if exposure is None else Exposure(exposure.time_us, exposure.gain, exposure.rank),
        _rgb=rgb,
    )


def _maps(arrived: Arrived, picture: _Picture) -> Mapping[str, Array]:
    parts, arrays = picture.parts[picture.own :], arrived.message.arrays[picture.own :]
    return {part.name: array for part, array in zip(parts, arrays, strict=True)}


def source_info(header: PictureHeader, name: str) -> SourceInfo:
    """Give what a stream's pictures are like, as a source tells it."""
    layout = FORMATS[header.pixel_format]
    return SourceInfo(
        name=name,
        width=header.width,
        height=header.height,
        bits=layout.bits,
        subsampling=layout.subsampling,
        color=unpacked_color(header.pixel_format, _color_of(header)),
        time_base=Fraction(*header.time_base),
        rate=Fraction(*header.rate),
        simultaneous=header.simultaneous,
        has_chroma=layout.kind != "gray",
        sample_aspect=Fraction(*header.sample_aspect),
    )
