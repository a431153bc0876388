"""Measures streamfuse over ZeroMQ beside a bare pyzmq loop, imagezmq and vidgear's NetGear; writes JSON.

    python tools/bench_zmq.py --peers-python /path/to/venv/bin/python -o benchmarks/zmq.json

Sender and receiver are processes of their own. All contenders send the same bytes (three planes of 1920x1080, which
is one B'G'R' picture), loss-free, in turn, several rounds; what counts are the ratios of the medians. The peers run
in another environment (pip install imagezmq "vidgear[core]" opencv-python-headless), as neither is a dependency.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

WIDTH, HEIGHT = 1920, 1080
PORT = 5671
HERE = Path(__file__).resolve()


def pixels(count: int = 4):
    import numpy as np

    return list(np.random.default_rng(0).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8))


def address(transport: str) -> str:
    return f"tcp://127.0.0.1:{PORT}" if transport == "tcp" else f"ipc:///tmp/bench_zmq_{PORT}"


def timed(frames, count: int) -> None:
    """Take all frames; print the rate, and the CPU time of this process, from the first one on."""
    began = cpu = None
    for received, frame in enumerate(frames, 1):
        assert frame[0, 0] is not None
        if began is None:
            began, cpu = time.perf_counter(), time.process_time()
        if received == count:
            break
    seconds, busy = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"fps": (count - 1) / seconds, "cpu_ms": busy / (count - 1) * 1e3}), flush=True)


def sending(send, frames, count: int) -> None:
    """Send `count` frames; print the CPU time of this process for each."""
    cpu = time.process_time()
    for number in range(count):
        send(number, frames[number % len(frames)])
    print(json.dumps({"cpu_ms": (time.process_time() - cpu) / count * 1e3}), flush=True)


# One function for each end of each contender


def bare_send(transport: str, count: int) -> None:
    import zmq

    socket = zmq.Context.instance().socket(zmq.PUSH)
    socket.sndhwm = 2
    socket.bind(address(transport))
    frames = pixels()
    sending(lambda _, frame: socket.send(frame, copy=False), frames, count)
    socket.close(10000)
    zmq.Context.instance().term()  # else the frames are freed before they are sent


def bare_receive(transport: str, count: int) -> None:
    import numpy as np
    import zmq

    socket = zmq.Context.instance().socket(zmq.PULL)
    socket.rcvhwm = 2
    socket.connect(address(transport))
    received = (socket.recv(copy=False) for _ in range(count))
    timed((np.frombuffer(part.buffer, np.uint8).reshape(HEIGHT, WIDTH, 3) for part in received), count)


def streamfuse_send(transport: str, count: int) -> None:
    import numpy as np

    from streamfuse.encode.open import open_sink

    planes = [tuple(np.ascontiguousarray(np.moveaxis(picture, -1, 0))) for picture in pixels()]
    with open_sink(f"push:{address(transport)}", stream_info((0, 0))) as sink:
        sending(lambda number, frame: sink.write(fused(frame, number, (0, 0))), planes, count)


def streamfuse_receive(transport: str, count: int) -> None:
    from streamfuse import subscribe

    timed((frame.planes[0] for frame in subscribe(f"pull:{address(transport)}")), count)


def imagezmq_send(transport: str, count: int) -> None:
    import imagezmq

    sender = imagezmq.ImageSender(connect_to=address(transport))
    sending(lambda _, frame: sender.send_image("bench", frame), pixels(), count)


def imagezmq_receive(transport: str, count: int) -> None:
    import imagezmq

    hub = imagezmq.ImageHub(open_port=address(transport))

    def frames():
        while True:
            _, image = hub.recv_image()
            hub.send_reply(b"OK")
            yield image

    timed(frames(), count)


def netgear(transport: str, receive: bool):
    from vidgear.gears import NetGear

    options = {"jpeg_compression": False}
    where = "127.0.0.1" if transport == "tcp" else "/tmp/bench_netgear"
    return NetGear(
        address=where, port=str(PORT), protocol=transport, receive_mode=receive, pattern=0, **options
    )


def netgear_send(transport: str, count: int) -> None:
    server = netgear(transport, receive=False)
    sending(lambda _, frame: server.send(frame), pixels(), count)
    time.sleep(1.0)
    server.close()


def netgear_receive(transport: str, count: int) -> None:
    client = netgear(transport, receive=True)

    def frames():
        while (frame := client.recv()) is not None:
            yield frame

    timed(frames(), count)
    sys.stdout.flush()
    os._exit(0)  # its close waits for a sender that is gone


CONTENDERS = {
    "bare pyzmq, copy=False": ("bare", False),
    "streamfuse": ("streamfuse", False),
    "imagezmq (REQ/REP)": ("imagezmq", True),
    "vidgear NetGear (PAIR, raw)": ("netgear", True),
}


def stream_info(subsampling, width=WIDTH, height=HEIGHT):
    from fractions import Fraction

    from streamfuse.frame import ColorInfo
    from streamfuse.stage import SourceInfo

    color = ColorInfo(1, 1, 1)
    return SourceInfo("bench", width, height, 8, subsampling, color, Fraction(1, 30), Fraction(30))


def fused(planes, number: int, subsampling):
    from fractions import Fraction

    from streamfuse.frame import ColorInfo, FusedFrame

    return FusedFrame(planes, 8, subsampling, ColorInfo(1, 1, 1), number, Fraction(1, 30), number)


def python_of(peer: bool, peers_python: str) -> str:
    return peers_python if peer else sys.executable


def start(python: str, *args: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(HERE.parent.parent), "OPENBLAS_NUM_THREADS": "1"}
    words = [python, str(HERE), "--run", *map(str, args)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def transfer(
    name: str, peer: bool, transport: str, count: int, peers_python: str
) -> tuple[float, float] | None:
    """(frames per second, CPU ms per frame of both processes) of one contender; None if it did not get through."""
    python = python_of(peer, peers_python)
    Path(f"/tmp/bench_zmq_{PORT}").unlink(missing_ok=True)
    receiver = start(python, f"{name}_receive", transport, count)
    time.sleep(2.0 if name == "netgear" else 0.3)
    sender = start(python, f"{name}_send", transport, count)
    try:
        told = json.loads(receiver.communicate(timeout=30)[0].splitlines()[-1])
        sent = json.loads(sender.stdout.readline())
        return told["fps"], told["cpu_ms"] + sent["cpu_ms"]
    except (subprocess.TimeoutExpired, IndexError, ValueError, KeyError):
        return None
    finally:
        for process in (receiver, sender):
            process.kill()
            process.wait()


def throughput(transport: str, rounds: int, count: int, peers_python: str) -> dict[str, object]:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    for number in range(rounds):
        order = list(CONTENDERS) if number % 2 == 0 else list(CONTENDERS)[::-1]
        for label in order:
            name, peer = CONTENDERS[label]
            if peer and not peers_python:
                continue
            got = transfer(name, peer, transport, count, peers_python)
            if got is not None:
                found[label].append(got)
    measured = {label: several for label, several in found.items() if several}
    rates = {label: [round(fps, 1) for fps, _ in several] for label, several in measured.items()}
    figures = {
        "median_fps": {label: median(several) for label, several in rates.items()},
        "best_fps": {label: max(several) for label, several in rates.items()},
        "cpu_ms": {label: round(median(cpu for _, cpu in several), 2) for label, several in measured.items()},
    }
    ratios = {key: over(values) for key, values in figures.items() if "streamfuse" in values}
    return {"fps": rates, **figures, "streamfuse_over": ratios}


def over(values: dict[str, float]) -> dict[str, float]:
    own = values["streamfuse"]
    return {label: round(own / other, 3) for label, other in values.items() if label != "streamfuse"}


def header_cost() -> dict[str, float]:
    """Microseconds a frame beyond moving its bytes: `ZmqSink`'s header, made and encoded; decoded and checked."""
    from streamfuse.encode.zmq import _color, _raw_parts
    from streamfuse.frame import ColorInfo
    from streamfuse.wire.message import FrameHeader, decode_message, encode_header

    parts = _raw_parts("yuv420p", WIDTH, HEIGHT)
    payload = [memoryview(bytearray(part.nbytes)) for part in parts]

    def make() -> bytes:
        return encode_header(
            FrameHeader(
                stream="0123456789abcdef", seq=1, published_at=time.time(), content="fused", encoding="raw",
                pixel_format="yuv420p", width=WIDTH, height=HEIGHT, color=_color(ColorInfo(1, 1, 1)),
                time_base=(1, 30), rate=(30, 1), index=1, pts=1, exposures=(0, 1), parts=parts,
            )
        )  # fmt: skip

    data = make()
    message = [b"fused", data, *payload]
    return {
        "bytes": len(data),
        "make_and_encode_us": best_of(make),
        "decode_and_check_us": best_of(lambda: decode_message(message)),
    }


def best_of(action, loops: int = 2000, rounds: int = 7) -> float:
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(loops):
            action()
        found.append((time.perf_counter() - began) / loops * 1e6)
    return round(median(found), 2)


# A slow subscriber, and subscribers that die


def paced_send(transport: str, seconds: float, width: int, height: int, listeners: int) -> None:
    import numpy as np

    from streamfuse.encode.open import open_sink

    noise = np.random.default_rng(0).integers(0, 256, (4, height * 3 // 2, width), np.uint8)
    planes = [
        (grid[:height], grid[height : height * 5 // 4].reshape(height // 2, -1),
         grid[height * 5 // 4 :].reshape(height // 2, -1))
        for grid in noise
    ]  # fmt: skip
    count = int(seconds * 30)
    late, took = [], []
    with open_sink(f"pub:{address(transport)}", stream_info((1, 1), width, height)) as sink:
        if listeners:
            sink.wait_for_subscribers(listeners, 60)
        print("all are here", flush=True)
        began = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, began + number / 30 - time.perf_counter()))
            late.append(time.perf_counter() - began - number / 30)
            before = time.perf_counter()
            sink.write(fused(planes[number % 4], number, (1, 1)))
            took.append(time.perf_counter() - before)
        fps = (count - 1) / (time.perf_counter() - began)
    write = {
        "median": median(took) * 1e3,
        "p99": sorted(took)[int(0.99 * count)] * 1e3,
        "max": max(took) * 1e3,
    }
    print(
        json.dumps({"fps": round(fps, 2), "write_ms": {key: round(value, 3) for key, value in write.items()}})
    )


def paced_receive(transport: str, fps: float) -> None:
    from streamfuse import subscribe

    ages = []
    subscription = subscribe(address(transport))
    for frame in subscription:
        ages.append(frame.age * 1e3)
        if fps:
            time.sleep(1 / fps)
    counts = subscription.statistics
    ages = sorted(ages)
    age = {"median": median(ages), "p99": ages[int(0.99 * len(ages))], "max": ages[-1]}
    print(json.dumps({
        "frames": len(ages), "received": counts.received, "lost": counts.lost, "skipped": counts.skipped,
        "age_ms": {key: round(value, 1) for key, value in age.items()},
    }))  # fmt: skip


def result_of(process: subprocess.Popen[str]) -> dict[str, object]:
    """The JSON of its last line."""
    out, err = process.communicate()
    if not out:
        raise SystemExit(f"A process of this benchmark failed:\n{err}")
    return json.loads(out.splitlines()[-1])


def slow_subscriber(seconds: float) -> dict[str, object]:
    """30 fps of raw 1080p to nobody, then to a subscriber that takes 10 a second."""
    alone = start(sys.executable, "paced_send", "tcp", seconds / 6, WIDTH, HEIGHT, 0)
    baseline = result_of(alone)
    receiver = start(sys.executable, "paced_receive", "tcp", 10)
    sender = start(sys.executable, "paced_send", "tcp", seconds, WIDTH, HEIGHT, 1)
    sent = result_of(sender)
    return {
        "seconds": seconds, "nobody_listens": baseline, "publisher": sent,
        "subscriber": result_of(receiver),
    }  # fmt: skip


def killed_subscribers(seconds: float) -> dict[str, object]:
    """Ten subscribers of raw 640x360 at 30 fps, of which three are killed -9."""
    receivers = [start(sys.executable, "paced_receive", "tcp", 0) for _ in range(10)]
    sender = start(sys.executable, "paced_send", "tcp", seconds, 640, 360, 10)
    sender.stdout.readline()
    for receiver in receivers[:3]:
        time.sleep(seconds / 10)
        receiver.kill()
    sent = result_of(sender)
    others = [result_of(receiver) for receiver in receivers[3:]]
    codes = [receiver.wait() for receiver in receivers[:3]]
    return {"seconds": seconds, "killed": codes, "publisher": sent, "others": others}


def versions(peers_python: str) -> dict[str, str]:
    import numpy as np
    import zmq

    found = {"python": platform.python_version(), "pyzmq": zmq.__version__, "libzmq": zmq.zmq_version()}
    found["numpy"] = np.__version__
    if peers_python:
        code = "from importlib.metadata import version as v; print(*map(v, ['imagezmq', 'vidgear', 'pyzmq']))"
        told = subprocess.run([peers_python, "-c", code], capture_output=True, text=True, check=True).stdout
        found |= dict(zip(("imagezmq", "vidgear", "pyzmq of the peers"), told.split(), strict=True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=HERE.parent.parent / "benchmarks" / "zmq.json")
    parser.add_argument("--peers-python", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    results = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()[0]},
        "versions": versions(options.peers_python),
        "frame": "1920x1080, 3 planes of 8 bit = 6.2 MB; loss-free; sender and receiver on one machine",
        "header": header_cost(),
    }
    for transport in ("ipc", "tcp"):
        results[transport] = throughput(transport, options.rounds, options.frames, options.peers_python)
    results["slow_subscriber"] = slow_subscriber(options.seconds)
    results["killed_subscribers"] = killed_subscribers(options.seconds / 3)
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


def number(text: str) -> int | float | str:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        globals()[sys.argv[2]](*map(number, sys.argv[3:]))
    else:
        main()
