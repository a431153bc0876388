"""Live streams: a subscriber that is slower than the publisher, and subscribers that are killed."""

from __future__ import annotations

import time
from statistics import median

from ends import SUBSAMPLING, fused, pixels, planes_of, stream_info
from processes import HEIGHT, WIDTH, address, result_of, start, tell

FPS = 30
LAYOUT = SUBSAMPLING["4:2:0"]


def paced_send(transport: str, seconds: float, width: int, height: int, listeners: int) -> None:
    """Publish 30 frames a second as soon as so many listen."""
    from streamfuse.runtime.sinks import open_sink
    from streamfuse.zmq.zmq_sink import ZmqSink

    frames = [planes_of(data, LAYOUT, width, height) for data in pixels(width * height * 3 // 2)]
    count = int(seconds * FPS)
    took = []
    with open_sink(f"pub:{address(transport)}", stream_info(LAYOUT, width, height)) as sink:
        if listeners:
            assert isinstance(sink, ZmqSink)
            sink.wait_for_subscribers(listeners, 60)
        print("all are here", flush=True)
        began = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, began + number / FPS - time.perf_counter()))
            before = time.perf_counter()
            sink.write(fused(frames[number % len(frames)], number, LAYOUT))
            took.append((time.perf_counter() - before) * 1e3)
        fps = (count - 1) / (time.perf_counter() - began)
    tell(fps=round(fps, 2), write_ms=spread(took))


def paced_receive(transport: str, fps: float) -> None:
    """Take frames until the stream ends, at most so many a second (0: all)."""
    from streamfuse import subscribe

    ages = []
    subscription = subscribe(address(transport), timeout=120)
    for frame in subscription:
        ages.append(frame.age * 1e3)
        if fps:
            time.sleep(1 / fps)
    counts = subscription.statistics
    tell(
        frames=len(ages),
        received=counts.received,
        lost=counts.lost,
        skipped=counts.skipped,
        age_ms=spread(ages),
    )


def spread(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile and largest."""
    ordered = sorted(values)
    found = {"median": median(ordered), "p99": ordered[int(0.99 * len(ordered))], "max": ordered[-1]}
    return {key: round(value, 2) for key, value in found.items()}


def slow_subscriber(seconds: float) -> dict[str, object]:
    """30 fps of raw 1080p to nobody, then to a subscriber that takes 10 a second."""
    baseline = result_of(start("paced_send", "tcp", seconds / 6, WIDTH, HEIGHT, 0))
    receiver = start("paced_receive", "tcp", 10)
    sent = result_of(start("paced_send", "tcp", seconds, WIDTH, HEIGHT, 1))
    return {
        "seconds": seconds,
        "nobody_listens": baseline,
        "publisher": sent,
        "subscriber": result_of(receiver),
    }


def killed_subscribers(seconds: float, width: int = 640, height: int = 360) -> dict[str, object]:
    """Ten subscribers of a raw stream at 30 fps, of which three are killed -9."""
    receivers = [start("paced_receive", "tcp", 0) for _ in range(10)]
    sender = start("paced_send", "tcp", seconds, width, height, len(receivers))
    assert sender.stdout is not None
    sender.stdout.readline()
    for receiver in receivers[:3]:
        time.sleep(seconds / 10)
        receiver.kill()
    sent = result_of(sender)
    return {
        "seconds": seconds,
        "size": f"{width}x{height}",
        "killed": [receiver.wait() for receiver in receivers[:3]],
        "publisher": sent,
        "others": [result_of(receiver) for receiver in receivers[3:]],
    }
