"""Parts of one video, encoded separately with the same settings, put together without encoding anything again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from streamfuse.core.clock import Packet
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.errors import OutputError

# Containers hold these with lengths between their units; an encoder, and so a new file, begins with start codes.
_TO_START_CODES: Mapping[str, str] = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}


def join_parts(parts: Sequence[Path], sink: VideoFileSink) -> None:
    """Write the pictures of all parts, one part after the other, with their time stamps.

    Args:
        parts: files that sinks with the settings of `sink` wrote into the same kind of container, in the order of
            their time stamps, which do not overlap.
        sink: open, without a picture yet. The caller closes it.

    Raises:
        OutputError: the parts do not fit together or cannot be read, or the output cannot be written.
    """
    try:
        times = decoding_times([packet.pts or 0 for packet in _packets(parts)])
        for packet, dts in zip(_packets(parts), times, strict=True):
            packet.dts = dts
            sink.write_packet(packet)
    except (av.FFmpegError, IndexError) as error:
        raise OutputError(
            f"The parts of {sink.outputs[0]} cannot be read ({error}): run again without --resume."
        ) from error


def count_pictures(path: Path) -> int:
    """Tell how many pictures a video file holds, counted without decoding them.

    Raises:
        OutputError: it cannot be read.
    """
    try:
        with av.open(f"file:{path}") as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (av.FFmpegError, IndexError) as error:
        raise OutputError(f"{path} cannot be read ({error}): run again without --resume.") from error


def decoding_times(stamps: Sequence[int]) -> list[int]:
    """Time stamps of decoding for pictures that are stored in the order in which they are decoded.

    Matroska does not store them. They are those of showing, in order, delayed by as many pictures as it takes for no
    picture to be shown before it is decoded.

    Args:
        stamps: when each picture is shown, all different; in any unit.
    """
    shown = sorted(stamps)
    place = {stamp: number for number, stamp in enumerate(shown)}
    delay = max((number - place[stamp] for number, stamp in enumerate(stamps)), default=0)
    step = shown[1] - shown[0] if len(shown) > 1 else 1
    before = [shown[0] - step * (delay - number) for number in range(delay)]
    return [*before, *shown[: len(shown) - delay]]


def _packets(parts: Sequence[Path]) -> Iterator[Packet]:
    """Give the encoded pictures of all parts, in order of decoding."""
    header: bytes | None = None
    for path in parts:
        with av.open(f"file:{path}") as part:
            stream = part.streams.video[0]
            found = stream.codec_context.extradata or b""
            if header is not None and found != header:
                raise OutputError(
                    f"{path} was encoded with other settings than the parts before it: run again without --resume."
                )
            header = found
            converter = _TO_START_CODES.get(stream.codec_context.codec.canonical_name)
            convert = BitStreamFilterContext(converter, stream).filter if converter else _as_it_is
            for packet in part.demux(stream):
                if packet.size:
                    yield from convert(packet)


def _as_it_is(packet: Packet) -> list[Packet]:
    return [packet]
