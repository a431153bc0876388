"""Subtitles of text, from the form of one container to that of another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
import av.container
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext

from streamfuse.core.clock import Packet

_TEXT = ("subrip", "srt", "text", "webvtt", "ass", "ssa", "mov_text")
_FORMS = {
    ".mp4": ("mov_text",), ".m4v": ("mov_text",), ".mov": ("mov_text",), ".webm": ("webvtt",),
    ".mkv": ("subrip", "srt", "text", "webvtt", "ass", "ssa"),
}  # fmt: skip
_ENCODERS = {".mkv": "subrip", ".webm": "webvtt"}
_ASS_FIELDS = 8  # of an event as Matroska stores it, before its text
_ASS_STYLE = re.compile(r"\{\\[^}]*\}")
_TAGS = re.compile(r"</?(?:i|b|u|s|font|c|v|ruby|rt|lang)\b[^>]*>", re.IGNORECASE)
# Encoders of FFmpeg ask for the styles, even where the form that they write has none.
_STYLES = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def text_codec(source: Stream, suffix: str) -> str | None:
    """Give the encoder for text that a container wants in another form; None if it can stay or is no text."""
    name = codec_name(source)
    if name not in _TEXT or name in _FORMS[suffix]:
        return None
    return _ENCODERS.get(suffix, "mov_text")


def codec_name(stream: Stream) -> str:
    """FFmpeg's name of a stream's codec; '' if this build does not know it."""
    try:
        return stream.codec_context.name
    except AttributeError:  # there is no context then, whatever its type says
        return ""


class TextConverter:
    """Writes the words of a subtitle stream in another form; styles and places are left out.

    Args:
        source: a stream of text.
        output: the container; its header is not written yet.
        codec: 'mov_text', 'subrip' or 'webvtt'.
    """

    def __init__(self, source: Stream, output: av.container.OutputContainer, codec: str) -> None:
        self.stream: Stream = output.add_stream(codec)
        context = cast(SubtitleCodecContext, self.stream.codec_context)
        context.subtitle_header = _STYLES
        self.stream.time_base = context.time_base = source.time_base or Fraction(1, 1000)
        self._from = source.codec_context.name
        self._to = codec

    def take(self, packet: Packet) -> Iterator[Packet]:
        """Give the packet's words; none for a packet without any."""
        words = plain_text(self._from, bytes(packet))
        if not words:
            return
        data = words.encode()
        if self._to == "mov_text":
            data = len(data[:0xFFFF]).to_bytes(2, "big") + data[:0xFFFF]
        made = av.Packet(data)
        made.time_base, made.pts, made.dts, made.duration = (
            packet.time_base, packet.pts, packet.dts, packet.duration,
        )  # fmt: skip
        yield made

    def flush(self) -> Iterator[Packet]:
        """Nothing is held."""
        yield from ()


def plain_text(codec: str, data: bytes) -> str:
    """Give the words in a packet of a subtitle stream, without styles."""
    if codec == "mov_text":
        data = data[2 : 2 + int.from_bytes(data[:2], "big")]
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if codec in ("ass", "ssa"):
        text = text.split(",", _ASS_FIELDS)[-1]
        text = _ASS_STYLE.sub("", text).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    return _TAGS.sub("", text).strip()
