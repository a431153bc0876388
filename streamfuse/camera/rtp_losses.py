"""RTP packets that did not come: FFmpeg counts them, and tells of them in its log only.

A decoder sees little of it: with three packets in a thousand lost, a fifth of the H.264 pictures that it gave as whole
were smeared, and of HEVC it noticed nothing at all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import av
import av.container
import av.logging

_WORDS = "missed"  # "RTP: missed 2 packets"
_LIBRARY = logging.getLogger("libav")  # what FFmpeg tells in other threads meanwhile is for nobody
_LIBRARY.addHandler(logging.NullHandler())
_LIBRARY.propagate = False


def noticed(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[tuple[av.Packet[av.VideoStream], bool]]:
    """Give the packets, and whether something before each did not come.

    PyAV has FFmpeg's log off, since it locks up where a thread of FFmpeg tells something while it is waited for with
    the interpreter held, as when a decoder is closed. So it is on while a packet is waited for, and at no other time:
    nothing is decoded then, and the thread that reads has let the interpreter go.
    """
    packets = container.demux(stream)
    while True:
        with av.logging.Capture() as told:
            try:
                av.logging.set_level(av.logging.WARNING)
                av.logging.set_skip_repeated(False)  # the same number twice is two losses
                packet = next(packets, None)
            finally:
                av.logging.set_level(None)
        if packet is None:
            return
        yield packet, any(_WORDS in text for _, _, text in told)
