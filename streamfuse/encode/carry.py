"""How a stream beside the picture gets into another container: as it is, or converted where it has to be."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Protocol, cast

import av
import av.container
from av.bitstream import BitStreamFilterContext
from av.stream import Stream

from streamfuse.core.clock import Packet
from streamfuse.core.values import Audio
from streamfuse.encode.subtitles import TextConverter, text_codec

OpenContainer = Callable[[io.BytesIO], av.container.OutputContainer]
_PROVING_PACKETS = 4
_PROVING_READ = 4000  # packets of the file that are looked through for them
_BITS_PER_CHANNEL = {"aac": 96_000, "libopus": 64_000}
_ROUNDED_SECONDS = 0.03  # stamps that are nearer to what was expected are believed to be that
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_DEEP = ("s32", "s32p", "flt", "fltp", "dbl", "dblp", "s64", "s64p")


class Carrier(Protocol):
    """Turns packets of an input stream into packets of an output stream."""

    stream: Stream

    def take(self, packet: Packet) -> Iterator[Packet]:
        """Give what is ready with this packet."""

    def flush(self) -> Iterator[Packet]:
        """Give what is still held."""


class Copied:
    """Packets as they are; AAC of MPEG-TS gets the form that other containers want.

    Args:
        source: the stream to copy.
        output: the container; its header is not written yet.

    Raises:
        av.FFmpegError, ValueError: the container does not know such streams.
    """

    def __init__(self, source: Stream, output: av.container.OutputContainer) -> None:
        self.stream: Stream = output.add_stream_from_template(source)
        bare = source.codec_context.name == "aac" and not source.codec_context.extradata
        self._filter = BitStreamFilterContext("aac_adtstoasc", source) if bare else None

    def take(self, packet: Packet) -> Iterator[Packet]:
        """Give the packet itself."""
        yield from self._filter.filter(packet) if self._filter else (packet,)

    def flush(self) -> Iterator[Packet]:
        """Nothing is held."""
        yield from ()


class ConvertedSound:
    """Sound that is decoded and encoded again.

    Args:
        source: the stream to convert.
        output: the container; its header is not written yet.
        codec: the encoder.
    """

    def __init__(self, source: av.AudioStream, output: av.container.OutputContainer, codec: str) -> None:
        rates = av.Codec(codec, "w").audio_rates
        rate = (
            source.rate
            if not rates or source.rate in rates
            else min(rates, key=lambda r: abs(r - source.rate))
        )
        self.stream: Stream = output.add_stream(codec, rate=rate)
        self._encoder = cast(av.AudioStream, self.stream)
        self._next: int | None = None  # sample that follows on what was encoded
        context = self._encoder.codec_context
        context.layout = _layout(source)
        if codec in _BITS_PER_CHANNEL:
            context.bit_rate = _BITS_PER_CHANNEL[codec] * max(1, source.channels)

    def take(self, packet: Packet) -> Iterator[Packet]:
        """Encoded again; what cannot be decoded is left out."""
        try:
            blocks = cast(list[av.AudioFrame], packet.decode())
        except av.FFmpegError:
            return
        for block in blocks:
            self._stamp(block)
            yield from self._encoder.encode(block)

    def _stamp(self, block: av.AudioFrame) -> None:
        """Count its time in samples: stamps that a container has rounded would make gaps and overlaps of a sample."""
        rate = block.sample_rate
        expected = self._next or 0
        if block.pts is not None:
            told = round(block.pts * Fraction(block.time_base or 1) * rate)
            if self._next is None or abs(told - expected) > rate * _ROUNDED_SECONDS:
                expected = told
        block.pts, block.time_base = expected, Fraction(1, rate)
        self._next = expected + block.samples

    def flush(self) -> Iterator[Packet]:
        """Give what the encoder holds."""
        yield from self._encoder.encode(None)


def carrier(
    source: Stream, media: Path, output: av.container.OutputContainer, suffix: str, audio: Audio,
    open_like: OpenContainer,
) -> tuple[Carrier | None, str | None]:  # fmt: skip
    """Tell how to carry a sound or subtitle stream, and a sentence on what changes.

    Args:
        source: a stream of `media`.
        media: the file.
        output: the container to carry it into; its header is not written yet.
        suffix: of the output: decides what to convert to.
        audio: `auto` copies what the container can hold and converts the rest, `copy` never converts.
        open_like: opens a container like `output` in memory, to prove what it holds.
    """
    name = f"The {source.type} stream {source.index} of {media} ({source.codec_context.name})"
    if source.type == "subtitle":
        if (codec := text_codec(source, suffix)) is not None:
            return TextConverter(
                source, output, codec
            ), f"{name} is converted to {codec}: {suffix} cannot hold it."
        return _copied(source, output, name, suffix)
    unplayable = suffix in (".mp4", ".m4v") and source.codec_context.name.startswith("pcm_")
    if not unplayable and _holds(media, source.index, open_like):
        return _copied(source, output, name, suffix)
    why = (
        f"most players cannot play it in {suffix}; .mov keeps it"
        if unplayable
        else f"{suffix} cannot hold it"
    )
    if audio == "copy":
        return None, f"{name} is not copied: {why} (--audio auto converts it)."
    sound = cast(av.AudioStream, source)
    codec = _sound_codec(sound, suffix)
    try:
        converted = ConvertedSound(sound, output, codec)
    except (av.FFmpegError, ValueError) as error:
        return None, f"{name} is not copied: {why}, and converting it failed ({error})."
    return converted, f"{name} is converted to {codec}: {why}."


def _copied(
    source: Stream, output: av.container.OutputContainer, name: str, suffix: str
) -> tuple[Carrier | None, str | None]:
    try:
        return Copied(source, output), None
    except (av.FFmpegError, ValueError):
        return None, f"{name} is not copied: {suffix} cannot hold it."


def _holds(media: Path, index: int, open_like: OpenContainer) -> bool:
    """Tell whether a container takes the first packets of a stream: what it says of itself proves nothing."""
    try:
        with av.open(f"file:{media}", metadata_errors="replace") as source, open_like(io.BytesIO()) as proof:
            stream = source.streams[index]
            copy = Copied(stream, proof)
            read = (packet for packet in islice(source.demux(), _PROVING_READ) if packet.size)
            found = (packet for packet in read if packet.stream_index == index and packet.dts is not None)
            for packet in islice(found, _PROVING_PACKETS):
                for ready in copy.take(packet):
                    ready.stream = copy.stream
                    proof.mux(ready)
    except (av.FFmpegError, ValueError):
        return False
    return True


def _layout(source: av.AudioStream) -> str:
    """Tell where its channels belong; PCM often does not say."""
    name = source.layout.name
    return name if "channels" not in name else _USUAL_LAYOUTS.get(source.channels, "stereo")


def _sound_codec(source: av.AudioStream, suffix: str) -> str:
    """Give what players of such files expect; without loss where the source has none and the container allows it."""
    lossless = source.codec_context.codec.lossless and not source.codec_context.codec.lossy
    if suffix == ".webm":
        return "libopus"
    if suffix == ".mov" and lossless:
        return "pcm_s24le" if source.format.name in _DEEP else "pcm_s16le"
    if suffix == ".mkv" and lossless:
        return "flac"
    return "aac"
