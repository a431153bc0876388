"""The process that talks to a server: takes encoded packets on standard input, pushes them to an address.

FFmpeg's connecting and hanging up cannot be interrupted and, called from Python, stop every thread of the process: so
they happen in a process that can be ended. The address comes on the first line of the input, where a list of
processes does not show it; after that comes a NUT stream. A JSON line on standard output tells that the first packet
was sent, and a last one what went wrong.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import BinaryIO

import av
import av.container
from av.bitstream import BitStreamFilterContext

from streamfuse.core.clock import Packet

READY = "ready"
LIMIT_SECONDS = 15
"""For each call into the network. A signal ends the process then: it needs nothing that a hanging call would hold."""
_PROBE = {"probesize": "32", "analyzeduration": "0", "fflags": "nobuffer"}


def main() -> int:
    """Push until the input ends; 0 if all went well."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the run, which ends this input
    stdin = sys.stdin.buffer
    order = json.loads(stdin.readline())
    try:
        _push(stdin, order["url"], order["format"], order["options"])
    except av.FFmpegError as error:
        _tell(type(error).__name__, error.strerror or "an unknown error")
        return 1
    return 0


def _push(stdin: BinaryIO, url: str, form: str, options: dict[str, str]) -> None:
    with av.open(stdin, "r", format="nut", options=_PROBE) as source:
        taken = source.streams.video[0]
        signal.alarm(LIMIT_SECONDS)
        with av.open(url, "w", format=form, container_options=options) as target:
            stream = target.add_stream_from_template(taken)
            # MPEG-TS has no place for the parameter sets but the pictures themselves.
            repeat = BitStreamFilterContext("dump_extra=freq=keyframe", taken) if form == "mpegts" else None
            packets = (packet for packet in source.demux(taken) if packet.size)
            for number, packet in enumerate(packets):
                signal.alarm(LIMIT_SECONDS)
                _send(target, stream, packet, repeat)
                signal.alarm(0)
                if number == 0:
                    _tell(READY)
            signal.alarm(LIMIT_SECONDS)


def _tell(kind: str, text: str = "") -> None:
    print(json.dumps({"kind": kind, "text": text}), flush=True)


def _send(
    target: av.container.OutputContainer, stream: av.VideoStream, packet: Packet,
    repeat: BitStreamFilterContext | None,
) -> None:  # fmt: skip
    for ready in repeat.filter(packet) if repeat else [packet]:
        ready.stream = stream
        target.mux(ready)


if __name__ == "__main__":
    sys.exit(main())
