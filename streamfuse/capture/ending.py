"""Whether a video file was whole: what only its end shows."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import av.container

from streamfuse.capture.piped import Y4M
from streamfuse.core.clock import MediaClock, Packet, has_free_clock

_ENOUGH = 0.97  # of a promised length: headers are not exact
_SLACK_SECONDS = 1


class Ending:
    """Watches the packets of all streams of a file, and tells at its end what was missing.

    Args:
        name: what to call the file.
        container: the file.
        stream: that of its pictures.
    """

    def __init__(self, name: str, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._name = name
        self._container = container
        self._stream = stream
        self._bytes_used = 0  # where the last packet of the pictures ends in the file
        self._last = Fraction(0)  # when the last packet of any stream ends, on the file's clock

    @property
    def own_duration(self) -> Fraction | None:
        """Seconds that the header gives to the pictures; that of the whole file may be of its sound."""
        stream = self._stream
        whole = Fraction(self._container.duration or 0, av.time_base)
        if stream.duration and stream.time_base:
            own = stream.duration * Fraction(stream.time_base)
            if stream.frames or own not in self._lengths_of_others():
                return own
        if len(self._container.streams) == 1 and self._container.duration:
            return whole
        try:
            hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
            return Fraction(hours) * 3600 + Fraction(minutes) * 60 + Fraction(seconds)
        except (ValueError, ZeroDivisionError):
            return None

    def _lengths_of_others(self) -> set[Fraction]:
        """Some headers (ASF, FLV) have one length only, which FFmpeg gives to each stream."""
        others = (other for other in self._container.streams if other.index != self._stream.index)
        return {
            other.duration * Fraction(other.time_base)
            for other in others
            if other.duration and other.time_base
        }

    @property
    def is_promised(self) -> bool:
        """Tell whether the header counts the pictures, or gives their length."""
        if has_free_clock(self._container):
            return False  # its length was found by looking at the end of the file
        return bool(self._stream.frames) or self.own_duration is not None

    def see(self, packet: Packet) -> None:
        """Take note of a packet, with its time stamps as they are in the file."""
        if packet.size and packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base)
            self._last = max(self._last, end)
        if packet.stream_index == self._stream.index and packet.pos is not None:
            self._bytes_used = max(self._bytes_used, packet.pos + packet.size)

    def warnings(self, clock: MediaClock, size: int) -> Iterator[str]:
        """Sentences on the file, once its last packet was seen.

        Args:
            clock: that its packets were put on.
            size: of the file, in bytes.
        """
        if clock.jumps:
            times = "once" if clock.jumps == 1 else f"{clock.jumps} times"
            yield (
                f"The clock of {self._name} begins anew {times}, as in files put one behind the other: its pictures "
                "and sound were made to go on without a gap."
            )
        promised = Fraction(self._container.duration or 0, av.time_base)
        if not has_free_clock(self._container) and self._last < _ENOUGH * promised - _SLACK_SECONDS:
            yield (
                f"{self._name} promises {float(promised):.1f} s and ends after {float(self._last):.1f} s: it is cut "
                "off or damaged."
            )
        if self._container.format.name == Y4M and size > self._bytes_used:
            yield f"{self._name} ends in the middle of a frame, which was left out: it is cut off."
