"""The clock of a media file: one that begins at zero where its origin means nothing, and that never jumps.

Two recordings that were put one behind the other (TS files joined by `cat`) begin their clock anew. Whoever reads the
file, for its pictures or for its sound, puts its packets on the clock that is made here, and so the two stay together.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeAlias, cast

import av
import av.container
from av.format import Flags

Packet: TypeAlias = "av.Packet[Any]"  # of a stream of whatever kind

_BACK_SECONDS = Fraction(1, 4)  # less is disorder among packets, more is a new beginning
_HIGHEST_RATE = 300  # some encoders write their clock where the rate belongs
_AHEAD_SECONDS = (
    600  # nobody films so long a pause; clocks that begin anew can seem to jump ahead by 26 hours
)


class MediaClock:
    """Puts the time stamps of the packets of one file on a clock that goes on. Packets come in the order of the file.

    What the pictures do decides: the n-th jump of another stream is moved as the n-th jump of the pictures is.

    Args:
        container: the file. Only in containers whose clock has no origin of its own (MPEG-TS and PS) is it put to
            zero, with the offsets of the streams to each other kept.
        video: the stream whose jumps decide.
        step: how long a picture lasts, in seconds, where its packet does not say.
    """

    def __init__(self, container: av.container.InputContainer, video: av.VideoStream, step: Fraction) -> None:
        free = has_free_clock(container)
        origin = Fraction(container.start_time or 0, av.time_base) if free else Fraction(0)
        self._shifts = [-origin]
        self._video = video.index
        self._step = step
        self._end: Fraction | None = None  # of the pictures so far, on the clock that is made
        self._last: dict[int, Fraction] = {}  # of each stream, on its own clock
        self._passed: dict[int, int] = {}  # jumps that each stream has made

    @property
    def jumps(self) -> int:
        """Tell how often the clock of the pictures has jumped so far."""
        return len(self._shifts) - 1

    @property
    def origin(self) -> Fraction:
        """Seconds on the file's clock that are zero on the one that is made."""
        return -self._shifts[0]

    def place(self, packet: Packet) -> bool:
        """Move a packet's time stamps; False if the picture after its jump was not seen yet (then place it later).

        Once it was refused, a packet is placed by `place_late`.
        """
        stream = packet.stream_index
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            return True
        now = stamp * Fraction(packet.time_base)
        last = self._last.get(stream)
        self._last[stream] = now
        if last is not None and not -_BACK_SECONDS < now - last < _AHEAD_SECONDS:
            self._passed[stream] = self._passed.get(stream, 0) + 1
            if stream == self._video:
                self._jump(packet, now)
        return self.place_late(packet, self._passed.get(stream, 0))

    def passed(self, packet: Packet) -> int:
        """Tell how many jumps the packet's stream has made up to the packet that was placed last."""
        return self._passed.get(packet.stream_index, 0)

    def place_late(self, packet: Packet, jumps: int, *, ended: bool = False) -> bool:
        """Move a packet that comes after so many jumps of its stream.

        Args:
            packet: with its stamps as they are in the file.
            jumps: what `passed` gave when it was read.
            ended: there is nothing more to come, so that it is moved as the last pictures were.
        """
        if jumps >= len(self._shifts):
            if not ended:
                return False
            jumps = len(self._shifts) - 1
        ticks = round(self._shifts[jumps] / Fraction(packet.time_base))
        if ticks and packet.pts is not None:
            packet.pts += ticks
        if ticks and packet.dts is not None:
            packet.dts += ticks
        if packet.stream_index == self._video and packet.pts is not None:
            base = Fraction(packet.time_base)
            end = packet.pts * base + (packet.duration * base if packet.duration else self._step)
            self._end = end if self._end is None else max(self._end, end)
        return True

    def _jump(self, packet: Packet, now: Fraction) -> None:
        """The picture of this packet follows on the last one."""
        begin = now if packet.pts is None else packet.pts * Fraction(packet.time_base)
        self._shifts.append((self._end or Fraction(0)) - begin)


def has_free_clock(container: av.container.InputContainer) -> bool:
    """Tell whether the clock of such files may begin anywhere and anew: MPEG-TS and PS, which also tell no length."""
    return bool(Flags(container.format.flags) & Flags.ts_discont)


def has_time_stamps(container: av.container.InputContainer) -> bool:
    """Tell whether such files say when a picture is shown: bare streams of an encoder (.h264, .hevc) do not."""
    return not Flags(container.format.flags) & Flags.no_timestamps


def nominal_rate(stream: av.VideoStream) -> Fraction:
    """Give the frames per second that a stream says it has; 25 if it says nothing."""
    bare = not has_time_stamps(cast(av.container.InputContainer, stream.container))
    told = Fraction(stream.codec_context.framerate or 0)
    if bare and 1 <= told <= _HIGHEST_RATE:  # the demuxer says 25 there, whatever the pictures say
        return told
    return Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)
