"""Measures what `streamfuse live` holds on this machine with the preset that it chooses: rate, age, dropped frames.

    python tools/bench_live.py --json benchmarks/live.json
    python tools/bench_live.py --seconds 60 --case idle

The command runs in a process of its own, on the built-in scene as a camera of 640x360 and 30 frames per second; its
page is asked for the status once a second. Figures count from the tenth second on. A busy process never rests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from outside import burning, free_port, status_of
from tool_options import help_of

from streamfuse.cli.common_options import JSON_FILE
from streamfuse.core.output_file import write_json_file
from streamfuse.lab.evaluate.environment import describe_environment

FIRST_SECONDS = 10.0
CASES: dict[str, tuple[list[str], int]] = {
    "idle": ([], 0),
    "idle, --lookahead 0": (["--lookahead", "0"], 0),
    "beside one busy process": ([], 1),
    "beside one busy process, --lookahead 0": (["--lookahead", "0"], 1),
}


def measure(options: list[str], busy: int, seconds: float, camera: str) -> dict[str, Any]:
    """One run of the command."""
    page = f"127.0.0.1:{free_port()}"
    command = [
        sys.executable, "-m", "streamfuse", "live", camera, "--sink", "null:", "--web", page,
        "--duration", str(seconds + FIRST_SECONDS), "--json", "--log-json", *options,
    ]  # fmt: skip
    with (
        burning(busy),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run,
    ):
        try:
            samples = watched(run, page)
            out, told = run.communicate(timeout=60)
        finally:
            run.kill()
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


def watched(run: subprocess.Popen[str], page: str) -> list[dict[str, Any]]:
    """The status once a second until the run ends."""
    samples = []
    while run.poll() is None:
        time.sleep(1)
        if (status := status_of(page)) and status["state"] == "running":
            samples.append(status)
    return samples


@click.command(help=help_of(__doc__))
@click.option("--seconds", default=600.0, show_default=True, help="Of each case, after the first ten.")
@click.option(
    "--case", "names", multiple=True, type=click.Choice(list(CASES)), help="Repeatable; default: all."
)
@click.option("--camera", default="sim:", show_default=True, metavar="SPEC")
@JSON_FILE
def main(seconds: float, names: tuple[str, ...], camera: str, json_file: Path | None) -> None:
    """Measure and write; cases that are not measured now stay in the file."""
    found: dict[str, Any] = {}
    if names and json_file is not None and json_file.is_file():
        found = json.loads(json_file.read_text())["cases"]
    for name in names or CASES:
        options, busy = CASES[name]
        found[name] = measure(options, busy, seconds, camera)
        click.echo(f"{name} {json.dumps(found[name])}")
    if json_file is not None:
        command = f"python tools/bench_live.py --seconds {seconds:g} --json {json_file}"
        figures = {
            "command": command,
            "camera": camera,
            "environment": describe_environment(),
            "cases": found,
        }
        write_json_file(json_file, figures)


if __name__ == "__main__":
    main()
