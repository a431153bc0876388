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
_LIBRARY = "libav"


def listen() -> None:
    """Have FFmpeg tell its warnings to the thread that reads; nobody else gets to see them.

    PyAV has its log off, since it can lock up where FFmpeg's threads tell something while they are waited for: so this
    is for streams that can lose packets only.
    """
    if av.logging.get_level() is None:
        logger = logging.getLogger(_LIBRARY)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)  # the same number twice is two losses


def noticed(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[tuple[av.Packet[av.VideoStream], bool]]:
    """The packets, and whether something before each did not come; after `listen`, in the thread that reads."""
    packets = container.demux(stream)
    while True:
        with av.logging.Capture() as told:
            packet = next(packets, None)
        if packet is None:
            return
        yield packet, any(_WORDS in text for _, _, text in told)
