"""Frames per second of streamfuse beside a bare pyzmq loop, imagezmq and vidgear's NetGear."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from processes import PORT, result_of, start


class Contender(NamedTuple):
    """Who sends, what, and whether it needs the baselines' environment."""

    end: str
    options: tuple[str, ...]
    baseline: bool = False
    settle: float = 0.3  # seconds that the receiver needs to be there
    share: float = 1.0  # of the frames: slow ones send fewer


CONTENDERS = {
    "bare pyzmq, 6.2 MB": Contender("bare", ("4:4:4",)),
    "streamfuse 4:4:4, 6.2 MB": Contender("streamfuse", ("4:4:4",)),
    "bare pyzmq, 3.1 MB": Contender("bare", ("4:2:0",)),
    "streamfuse 4:2:0, 3.1 MB": Contender("streamfuse", ("4:2:0",)),
    "streamfuse 4:2:0, planes apart, 3.1 MB": Contender("streamfuse", ("4:2:0", "apart")),
    "streamfuse 4:2:0, received as R'G'B', 3.1 MB": Contender("streamfuse", ("4:2:0", "rgb")),
    "imagezmq REQ/REP, 6.2 MB": Contender("imagezmq", ("REQ/REP",), True),
    "imagezmq PUB/SUB, 6.2 MB": Contender("imagezmq", ("PUB/SUB",), True),
    "vidgear NetGear, raw, 6.2 MB": Contender("netgear", ("raw",), True, 2.0),
    "vidgear NetGear, as it is set (JPEG)": Contender("netgear", ("JPEG",), True, 2.0, 0.2),
}
# Each figure is divided by those of the same round. What a bare loop makes of the baselines' bytes is the most that
# anything which sends them through the same sockets can make of them.
RATIOS = {
    "streamfuse 4:4:4, 6.2 MB": ("bare pyzmq, 6.2 MB", "imagezmq", "vidgear"),
    "streamfuse 4:2:0, 3.1 MB": ("bare pyzmq, 3.1 MB", "imagezmq", "vidgear"),
    "streamfuse 4:2:0, planes apart, 3.1 MB": ("bare pyzmq, 3.1 MB",),
    "streamfuse 4:2:0, received as R'G'B', 3.1 MB": ("imagezmq", "vidgear"),
    "bare pyzmq, 6.2 MB": ("imagezmq", "vidgear"),
}


def transfer(contender: Contender, transport: str, count: int, python: str) -> tuple[float, float] | None:
    """(frames per second, CPU ms per frame of both processes); None if it did not get through."""
    Path(f"/tmp/bench_zmq_{PORT}").unlink(missing_ok=True)
    frames = max(20, int(count * contender.share))
    receiver = start(f"{contender.end}_receive", transport, frames, *contender.options, python=python)
    time.sleep(contender.settle)
    sender = start(f"{contender.end}_send", transport, frames, *contender.options, python=python)
    try:
        told = result_of(receiver, 30)
        assert sender.stdout is not None
        sent = json.loads(sender.stdout.readline())
        return float(told["fps"]), float(told["cpu_ms"]) + float(sent["cpu_ms"])
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    finally:
        for process in (receiver, sender):
            process.kill()
            process.communicate()


def throughput(transport: str, rounds: int, count: int, baselines_python: str) -> dict[str, object]:
    """All contenders in turn, in the other order every second round."""
    names = [name for name, contender in CONTENDERS.items() if baselines_python or not contender.baseline]
    found: dict[str, list[tuple[float, float] | None]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            contender = CONTENDERS[name]
            python = baselines_python if contender.baseline else sys.executable
            found[name].append(transfer(contender, transport, count, python))
    rates = {name: [pair and round(pair[0], 1) for pair in pairs] for name, pairs in found.items()}
    return {
        "frames": count,
        "fps": rates,
        "median_fps": {name: _median(values) for name, values in rates.items()},
        "cpu_ms": {name: _median([pair and pair[1] for pair in pairs]) for name, pairs in found.items()},
        "median_ratio": {
            name: {other: _ratio(rates[name], rates[other]) for other in names if other.startswith(others)}
            for name, others in RATIOS.items()
        },
    }


def _median(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return round(median(present), 2) if present else None


def _ratio(own: list[float | None], other: list[float | None]) -> float | None:
    return _median([a / b if a and b else None for a, b in zip(own, other, strict=True)])
