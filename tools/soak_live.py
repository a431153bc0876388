"""Runs `streamfuse live` on the simulated camera for a long time and measures what a run of weeks depends on.

    python tools/soak_live.py --minutes 20 --json soak.json
    python tools/soak_live.py --minutes 1 --size 160x90 --rate 8

The camera burns the time of capture and the exposure's rank into its pictures; a ZeroMQ subscriber reads both back
from the fused picture. So the age that is measured does not depend on the run's own bookkeeping, and a wrong label is
seen as one. The web page is asked for its status and its views as a visitor would.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import streamfuse
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.synthetic import stamp

SAMPLE_SECONDS = 5.0
WARM_UP = 0.25  # share of the run that the slope of memory leaves out
VIEWS = ("fused", "under", "over", "weights")


class Reader(threading.Thread):
    """Subscribes, and reads what is burnt into the pictures."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(daemon=True)
        self.frames = self.unread = self.wrong_labels = self.out_of_order = 0
        self.ages_ms: list[int] = []
        self.differences_ms: list[float] = []
        self._endpoint = endpoint

    def run(self) -> None:
        last = -1
        with streamfuse.subscribe(self._endpoint, timeout=None) as frames:
            for frame in frames:
                now = time.monotonic()
                self.frames += 1
                pts = frame.pts if frame.pts is not None else last
                self.out_of_order += pts <= last
                last = pts
                self._look(frame, now)

    def _look(self, frame: Any, now: float) -> None:
        found = stamp.read(frame.luma, frame.bits, frame.color)
        if found is None:
            self.unread += 1
            return
        self.wrong_labels += found.rank != frame.stats["rank"]
        age = stamp.age_ms(found, now)
        self.ages_ms.append(age)
        self.differences_ms.append(age - (now - frame.captured_at) * 1e3)


class Process:
    """What the operating system knows of the run."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self.samples: list[dict[str, float]] = []

    def sample(self, seconds: float, status: dict[str, Any]) -> None:
        fields = dict(line.split(":", 1) for line in (self._folder / "status").read_text().splitlines())
        self.samples.append(
            {
                "seconds": round(seconds, 1),
                "rss_mb": int(fields["VmRSS"].split()[0]) / 1024,
                "threads": int(fields["Threads"]),
                "fds": len(list((self._folder / "fd").iterdir())),
                "rate_in": status["rate_in"],
                "rate_out": status["rate_out"],
                "age_p99_ms": status["age_ms"][2],
            }
        )

    def column(self, name: str) -> list[float]:
        steady = self.samples[int(len(self.samples) * WARM_UP) :] or self.samples
        return [sample[name] for sample in steady]


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        report = soak(options, Path(folder))
    text = json.dumps(report, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    good = report["wrong_labels"] == 0 and report["out_of_order"] == 0 and report["exit_status"] == 0
    return 0 if good else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--preset", default="auto")
    parser.add_argument("--json", type=Path, help="write the report here too")
    return parser.parse_args()


def soak(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    endpoint, web = (f"127.0.0.1:{port}" for port in free_ports(2))
    command = [
        sys.executable, "-m", "streamfuse", "live", f"sim:?size={options.size}&rate={options.rate:g}&stamp=on",
        "--sink", f"zmq+pub://{endpoint}", "-o", str(folder / "soak.mp4"), "--segment", "60", "--keep", "3",
        "--preset", options.preset, "--web", web, "--json", "--log-json",
    ]  # fmt: skip
    log = (folder / "log").open("w+")
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    reader, process = Reader(f"tcp://{endpoint}"), Process(run.pid)
    try:
        await_page(web, run)
        reader.start()
        began = time.monotonic()
        watch(run, process, web, began, options.minutes * 60)
    finally:
        run.send_signal(signal.SIGTERM)
        output, _ = run.communicate(timeout=60)
    log.seek(0)
    events = [json.loads(line) for line in log if line.startswith("{")]
    return summarise(options, reader, process, json.loads(output), run.returncode, events)


def watch(run: subprocess.Popen[str], process: Process, web: str, began: float, seconds: float) -> None:
    """Sample for so long, and look at the page's views in turn as a visitor does."""
    views = 0
    while run.poll() is None and time.monotonic() - began < seconds:
        time.sleep(min(SAMPLE_SECONDS, seconds))
        with suppress(OSError):
            status = json.loads(fetch(f"http://{web}/status.json"))
            process.sample(time.monotonic() - began, status)
            fetch(f"http://{web}/picture.jpg?view={VIEWS[views % len(VIEWS)]}")
            views += 1


def summarise(
    options: argparse.Namespace, reader: Reader, process: Process, summary: dict[str, Any], status: int,
    events: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    memory, seconds = process.column("rss_mb"), process.column("seconds")
    slope = float(np.polyfit(seconds, memory, 1)[0] * 3600) if len(memory) > 2 else None
    return {
        "minutes": options.minutes,
        "camera": {"size": options.size, "rate": options.rate},
        "exit_status": status,
        "preset": summary["preset"],
        "frames_in": summary["frames_in"],
        "frames_out": summary["frames_out"],
        "dropped": summary["dropped"],
        "discarded": summary["discarded"],
        "rate_in": round(float(np.mean(process.column("rate_in"))), 2),
        "rate_out": round(float(np.mean(process.column("rate_out"))), 2),
        "age_burnt_in_ms": percentiles(reader.ages_ms),
        "age_booked_p99_ms": percentiles(process.column("age_p99_ms")),
        "burnt_in_minus_booked_ms": percentiles([abs(value) for value in reader.differences_ms]),
        "received": reader.frames,
        "unreadable_stamps": reader.unread,
        "wrong_labels": reader.wrong_labels,
        "out_of_order": reader.out_of_order,
        "rss_mb": [round(min(memory), 1), round(max(memory), 1)],
        "rss_slope_mb_per_hour": None if slope is None else round(slope, 2),
        "threads": [min(process.column("threads")), max(process.column("threads"))],
        "fds": [min(process.column("fds")), max(process.column("fds"))],
        "events": [event["text"] for event in events if event["level"] != "info"],
        "environment": describe_environment(),
    }


def percentiles(values: list[Any]) -> dict[str, float]:
    if not values:
        return {}
    middle, high, highest = np.percentile(values, (50, 95, 99))
    return {"p50": round(float(middle), 1), "p95": round(float(high), 1), "p99": round(float(highest), 1)}


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def await_page(web: str, run: subprocess.Popen[str], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and run.poll() is None:
        with suppress(OSError):
            if json.loads(fetch(f"http://{web}/status.json"))["state"] == "running":
                return
        time.sleep(0.5)
    raise SystemExit("The run did not come up.")


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        body: bytes = answer.read()
        return body


if __name__ == "__main__":
    sys.exit(main())
