"""What the header costs: microseconds a frame beyond moving its bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from processes import HEIGHT, WIDTH


def header_cost() -> dict[str, float]:
    """`ZmqSink`'s header, made and encoded; a whole message, decoded and checked."""
    from ends import SUBSAMPLING, fused, pixels, planes_of, stream_info

    from streamfuse.zmq.header import HeaderMaker
    from streamfuse.zmq.joined import join
    from streamfuse.zmq.message import Envelope
    from streamfuse.zmq.payload import Payload, make_encoder
    from streamfuse.zmq.reader import MessageReader

    info = stream_info(SUBSAMPLING["4:2:0"])
    encoder = make_encoder("raw", info, pixels="native", quality=85, crf=None, rate=info.rate)
    headers = HeaderMaker(info, encoder, info.rate, "fused")
    planes = planes_of(pixels(WIDTH * HEIGHT * 3 // 2, 1)[0], SUBSAMPLING["4:2:0"])
    frame = fused(planes, 1, SUBSAMPLING["4:2:0"])

    def make() -> bytes:
        known = Envelope(stream="0123456789abcdef", seq=1, published_at=time.time(), dropped=0)
        return headers.frame(frame, Payload(planes), known)

    reader = MessageReader()
    joined = join(planes)
    assert joined is not None
    message: list[bytes | memoryview] = [b"fused", make(), joined.data]
    return {
        "bytes": len(message[1]),
        "make_and_encode_us": best_of(make),
        "join_planes_us": best_of(lambda: join(planes)),
        "decode_and_check_us": best_of(lambda: reader.read(message)),
    }


def best_of(action: Callable[[], object], loops: int = 2000, rounds: int = 7) -> float:
    """Median of several rounds of the mean of many calls, in microseconds of CPU time."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(loops):
            action()
        found.append((time.process_time() - began) / loops * 1e6)
    return round(median(found), 2)
