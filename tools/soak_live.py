"""Runs `streamfuse live` on the simulated camera for a long time and measures what a run of weeks depends on.

    python tools/soak_live.py --minutes 20 --json soak.json
    python tools/soak_live.py --minutes 1 --size 160x90 --rate 8

The camera burns the time of capture and the exposure's rank into its pictures; a ZeroMQ subscriber reads both back
from the fused picture. So the age that is measured does not depend on the run's own bookkeeping, and a wrong label is
seen as one. The web page is asked for its status and its views as a visitor would.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
from outside import free_port, status_of
from tool_options import help_of

import streamfuse
from streamfuse.cli.common_options import JSON_FILE
from streamfuse.core.output_file import write_json_file
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


@click.command(help=help_of(__doc__))
@click.option("--minutes", default=20.0, show_default=True)
@click.option("--size", default="320x180", show_default=True)
@click.option("--rate", default=10.0, show_default=True)
@click.option("--preset", default="auto", show_default=True)
@JSON_FILE
def main(minutes: float, size: str, rate: float, preset: str, json_file: Path | None) -> None:
    """Run, watch, and judge."""
    with tempfile.TemporaryDirectory() as folder:
        found = soak(minutes, f"sim:?size={size}&rate={rate:g}&stamp=on", preset, Path(folder))
    report = {
        "minutes": minutes,
        "camera": {"size": size, "rate": rate},
        **found,
        "environment": describe_environment(),
    }
    click.echo(json.dumps(report, indent=2))
    if json_file is not None:
        write_json_file(json_file, report)
    good = report["wrong_labels"] == 0 and report["out_of_order"] == 0 and report["exit_status"] == 0
    sys.exit(not good)


def soak(minutes: float, camera: str, preset: str, folder: Path) -> dict[str, Any]:
    """Run for so many minutes, and what was seen."""
    endpoint, web = (f"127.0.0.1:{free_port()}" for _ in range(2))
    command = [
        sys.executable, "-m", "streamfuse", "live", camera, "--sink", f"zmq+pub://{endpoint}",
        "-o", str(folder / "soak.mp4"), "--segment", "60", "--keep", "3", "--preset", preset, "--web", web, "--json",
        "--log-json",
    ]  # fmt: skip
    log = (folder / "log").open("w+")
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    reader, process = Reader(f"tcp://{endpoint}"), Process(run.pid)
    try:
        await_page(web, run)
        reader.start()
        began = time.monotonic()
        watch(run, process, web, began, minutes * 60)
    finally:
        run.send_signal(signal.SIGTERM)
        output, _ = run.communicate(timeout=60)
    log.seek(0)
    events = [json.loads(line) for line in log if line.startswith("{")]
    return summarise(reader, process, json.loads(output), run.returncode, events)


def watch(run: subprocess.Popen[str], process: Process, web: str, began: float, seconds: float) -> None:
    """Sample for so long, and look at the page's views in turn as a visitor does."""
    views = 0
    while run.poll() is None and time.monotonic() - began < seconds:
        time.sleep(min(SAMPLE_SECONDS, seconds))
        with suppress(OSError):
            if status := status_of(web):
                process.sample(time.monotonic() - began, status)
            urllib.request.urlopen(
                f"http://{web}/picture.jpg?view={VIEWS[views % len(VIEWS)]}", timeout=10
            ).read()
            views += 1


def summarise(
    reader: Reader, process: Process, summary: dict[str, Any], status: int, events: list[dict[str, Any]]
) -> dict[str, Any]:
    memory, seconds = process.column("rss_mb"), process.column("seconds")
    slope = float(np.polyfit(seconds, memory, 1)[0] * 3600) if len(memory) > 2 else None
    return {
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
    }


def percentiles(values: list[Any]) -> dict[str, float]:
    if not values:
        return {}
    middle, high, highest = np.percentile(values, (50, 95, 99))
    return {"p50": round(float(middle), 1), "p95": round(float(high), 1), "p99": round(float(highest), 1)}


def await_page(web: str, run: subprocess.Popen[str], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and run.poll() is None:
        if (status := status_of(web)) and status["state"] == "running":
            return
        time.sleep(0.5)
    raise SystemExit("The run did not come up.")


if __name__ == "__main__":
    main()
