"""What belongs to the picture and is not fused: audio, subtitles, metadata, chapters; copied where that is possible."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.container
import av.error

from streamfuse.core.clock import MediaClock, Packet, nominal_rate
from streamfuse.core.values import Audio
from streamfuse.encode.carry import Carrier, carrier
from streamfuse.encode.container import MOV, open_in_memory
from streamfuse.encode.subtitles import codec_name

if TYPE_CHECKING:
    from av.container.core import Chapter

_CARRIED = ("audio", "subtitle")
# Written by the muxer itself, or about the coding of the source file.
_NOT_COPIED = {"encoder", "major_brand", "minor_version", "compatible_brands", "duration"}


class MediaCopier:
    """Copies the other streams of a media file into an output as its video progresses.

    Packets keep their bytes, and their time stamps as far as the file's clock does not jump (see `MediaClock`).
    Where the video stops before the source's does (a range of
    frames, an interrupted run), the streams are cut there; where the video begins later, they begin with it.

    Args:
        media: the source file.
        output: the container, its video stream added and its header not written yet.
        path: of the output: its suffix says what such a container can hold.
        warnings: gets a sentence for each stream that is converted or not copied.
        audio: what becomes of sound, see `carrier`; 'none' leaves it out.
    """

    def __init__(
        self,
        media: Path,
        output: av.container.OutputContainer,
        path: Path,
        warnings: list[str],
        audio: Audio = "auto",
    ) -> None:
        self._output = output
        self._name = str(media)
        self._warnings = warnings
        self._media = av.open(f"file:{media}", metadata_errors="replace")
        self._carriers = self._add_streams(media, path, audio)
        self._copy_metadata(path.suffix.lower() in MOV)
        video = self._media.streams.video
        self._video = video[0].index if video else None
        self._clock = MediaClock(self._media, video[0], 1 / nominal_rate(video[0])) if video else None
        self._waiting: deque[tuple[Packet, int]] = deque()  # until the pictures have jumped as well
        self._written: dict[int, int] = {}  # the last dts of each stream
        self._refused: set[int] = set()  # streams of which the container has refused a packet
        watched = [self._media.streams[index] for index in self._carriers]
        self._packets: Iterator[Packet] = iter(())
        if watched:
            self._packets = self._media.demux(*watched, *video[:1])
        self._held: deque[Packet] = deque()
        self._start: Fraction | None = None

    def start_at(self, seconds: Fraction | None) -> None:
        """Leave out what ends before this time (None: copy from the beginning)."""
        self._start = seconds

    def advance(self, seconds: Fraction) -> None:
        """Write the packets up to this time."""
        while self._held or self._read():
            if _seconds(self._held[0]) > seconds:
                return
            self._write(self._held.popleft())

    def finish(self, end: Fraction, tolerance: Fraction) -> None:
        """Write what is left: all, or up to `end` if the source's video goes on for more than `tolerance`."""
        cut = False
        while not cut and (packet := self._next()) is not None:
            if packet.stream_index == self._video:
                cut = _seconds(packet) > end + tolerance
            else:
                self._held.append(packet)
        for packet in self._held:
            if not cut or _seconds(packet) <= end:
                self._write(packet)
        self._held.clear()
        for index, found in self._carriers.items():
            self._mux(found.flush(), index)

    def close(self) -> None:
        """Release the source file."""
        self._media.close()

    def _add_streams(self, media: Path, output: Path, audio: Audio) -> dict[int, Carrier]:
        """Give what carries each input stream that is kept, by its index."""
        added: dict[int, Carrier] = {}
        suffix = output.suffix.lower()
        for stream in self._media.streams:
            if stream.type == "data" and "timecode" in stream.metadata:
                self._warnings.append(f"The timecode track {stream.index} of {media} is not copied.")
            if stream.type == "attachment":
                self._warnings.append(
                    f"The attachment {stream.metadata.get('filename', stream.index)} of {media} is not copied."
                )
            if stream.type not in _CARRIED or (stream.type == "audio" and audio == "none"):
                continue
            if not codec_name(stream):
                self._warnings.append(
                    f"The {stream.type} stream {stream.index} of {media} is not copied: its codec is not known here."
                )
                continue
            found, sentence = carrier(
                stream, media, self._output, suffix, audio, lambda memory: open_in_memory(memory, output)
            )
            if sentence is not None:
                self._warnings.append(sentence)
            if found is not None:
                found.stream.metadata.update(stream.metadata)
                found.stream.disposition = stream.disposition
                added[stream.index] = found
        return added

    def _copy_metadata(self, mov: bool) -> None:
        tags = self._media.metadata
        self._output.metadata.update({key: tags[key] for key in tags if key.lower() not in _NOT_COPIED})
        chapters = self._media.chapters()
        if chapters and chapters[0]["start"] > 0 and mov:
            # These containers have a chapter for every moment, and would let the first one begin at zero.
            first = chapters[0]
            empty: Chapter = {
                "id": 0, "start": 0, "end": first["start"], "time_base": first["time_base"], "metadata": {"title": ""},
            }  # fmt: skip
            chapters = [empty, *chapters]
        if chapters:
            self._output.set_chapters(chapters)

    def _next(self) -> Packet | None:
        """Give the next packet that carries something, on the clock of the pictures; None at the end."""
        while True:
            if self._waiting and self._clock is not None and self._clock.place_late(*self._waiting[0]):
                return self._waiting.popleft()[0]
            packet = self._raw()
            if packet is None and self._waiting and self._clock is not None:
                late, jumps = self._waiting.popleft()
                self._clock.place_late(late, jumps, ended=True)
                return late
            if packet is None or self._clock is None or self._clock.place(packet):
                return packet
            self._waiting.append((packet, self._clock.passed(packet)))

    def _raw(self) -> Packet | None:
        """Give the next packet that carries something; None at the end or where the file is damaged."""
        try:
            for packet in self._packets:
                if packet.size and packet.dts is not None:
                    return packet
        except av.FFmpegError as error:
            self._warnings.append(
                f"Audio and subtitles of {self._name} end early ({error.strerror}): what follows is lost."
            )
            self._packets = iter(())
        return None

    def _read(self) -> bool:
        """Hold one more packet to copy; False at the end."""
        while (packet := self._next()) is not None:
            if packet.stream_index != self._video:
                self._held.append(packet)
                return True
        return False

    def _write(self, packet: Packet) -> None:
        if self._start is not None and _seconds(packet) < self._start:
            return
        last = self._written.get(packet.stream_index)
        if last is not None and packet.dts is not None and packet.dts <= last:
            if packet.dts < last:
                return  # where two recordings meet, the end of one may lie over the beginning of the other
            packet.dts += 1  # a clock of milliseconds may give one stamp twice, which muxers refuse
            packet.pts = max(packet.pts or 0, packet.dts)
        self._written[packet.stream_index] = packet.dts or 0
        self._mux(self._carriers[packet.stream_index].take(packet), packet.stream_index)

    def _mux(self, packets: Iterator[Packet], index: int) -> None:
        """Hand packets of one stream to the container; where it refuses one, the stream ends, and the film goes on."""
        for ready in packets:
            if index in self._refused:
                return
            at = _seconds(ready)
            ready.stream = self._carriers[index].stream
            try:
                self._output.mux(ready)
            except av.error.ArgumentError as error:
                self._refused.add(index)
                stream = self._media.streams[index]
                self._warnings.append(
                    f"The {stream.type} stream {index} of {self._name} ends at {float(at):.1f} s: the container "
                    f"refuses what follows ({error.strerror})."
                )


def _seconds(packet: Packet) -> Fraction:
    """Decoding time, by which packets are interleaved."""
    return Fraction(packet.dts or 0) * Fraction(packet.time_base)
