"""Measures what `streamfuse live` holds on this machine with the preset that it chooses: rate, age, dropped frames.

    python tools/bench_live.py --json benchmarks/live.json
    python tools/bench_live.py --seconds 60 --case idle

The command runs in a process of its own, on the built-in scene as a camera of 640x360 and 30 frames per second; its
page is asked for the status once a second. Figures count from the tenth second on. A busy process never rests.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from streamfuse.lab.evaluate.environment import describe_environment

FIRST_SECONDS = 10.0
CASES: dict[str, tuple[list[str], int]] = {
    "idle": ([], 0),
    "idle, --lookahead 0": (["--lookahead", "0"], 0),
    "beside one busy process": ([], 1),
    "beside one busy process, --lookahead 0": (["--lookahead", "0"], 1),
}


def never_rest() -> None:
    """Take a processor, as far as the system gives it."""
    while True:
        sum(range(10_000))


def measure(options: list[str], busy: int, seconds: float, camera: str) -> dict[str, Any]:
    """One run of the command."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        page = f"127.0.0.1:{free.getsockname()[1]}"
    # fmt: off
    command = [
        sys.executable, "-m", "streamfuse", "live", camera, "--sink", "null:", "--web", page,
        "--duration", str(seconds + FIRST_SECONDS), "--json", "--log-json", *options,
    ]
    # fmt: on
    beside = [
        multiprocessing.get_context("spawn").Process(target=never_rest, daemon=True) for _ in range(busy)
    ]
    for process in beside:
        process.start()
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        samples = watched(run, f"http://{page}/status.json")
        out, told = run.communicate(timeout=60)
    finally:
        run.send_signal(signal.SIGKILL)
        for process in beside:
            process.kill()
    summary = json.loads(out)
    steady = [sample for sample in samples if sample["uptime"] >= FIRST_SECONDS]
    first, last = steady[0], steady[-1]
    span = last["uptime"] - first["uptime"]
    ages = np.array(
        [sample["age_ms"] for sample in steady if sample["uptime"] >= FIRST_SECONDS + 60] or [last["age_ms"]]
    )
    return {
        "exit_status": run.returncode,
        "seconds": round(span, 1),
        "preset": summary["preset"],
        "coarse": summary["coarse"],
        "fuser": summary["fuser"],
        "fps_in": round((last["frames_in"] - first["frames_in"]) / span, 2),
        "fps_out": round((last["frames_out"] - first["frames_out"]) / span, 2),
        "dropped": last["dropped"] - first["dropped"],
        "age_ms": {
            "p50": float(np.median(ages[:, 0])),
            "p95": float(ages[:, 1].max()),
            "p99": float(ages[:, 2].max()),
        },
        "delay_frames": summary["delay_frames"],
        "told": [
            line["text"] for line in map(json.loads, told.splitlines()) if line.get("event") == "preset"
        ],
    }


def watched(run: subprocess.Popen[str], address: str) -> list[dict[str, Any]]:
    """The status once a second until the run ends."""
    samples = []
    while run.poll() is None:
        time.sleep(1)
        with suppress(OSError, ValueError), urllib.request.urlopen(address, timeout=2) as answer:
            status = json.load(answer)
            if status["state"] == "running":
                samples.append(status)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0, help="of each case, after the first ten")
    parser.add_argument("--case", action="append", choices=CASES, help="repeatable; default: all")
    parser.add_argument("--camera", default="sim:", metavar="SPEC")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    if arguments.case and arguments.json is not None and arguments.json.is_file():
        found = json.loads(arguments.json.read_text())["cases"]  # the others stay
    for name in arguments.case or CASES:
        options, busy = CASES[name]
        found[name] = measure(options, busy, arguments.seconds, arguments.camera)
        print(name, json.dumps(found[name]), flush=True)
    if arguments.json is not None:
        command = f"python tools/bench_live.py --seconds {arguments.seconds:g} --json {arguments.json}"
        result = {
            "command": command,
            "camera": arguments.camera,
            "environment": describe_environment(),
            "cases": found,
        }
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
