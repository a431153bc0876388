"""Measures streamfuse over ZeroMQ beside a bare pyzmq loop, imagezmq and vidgear's NetGear; writes JSON.

    python tools/bench_zmq --baselines-python /path/to/venv/bin/python -o benchmarks/zmq.json

Sender and receiver are processes of their own. All contenders send the same picture of 1920x1080 in turn, several
rounds, the other way round every second time; what counts are the medians of the ratios within a round. The baselines
send it as B'G'R' (6.2 MB), which is what they take; streamfuse as Y'CbCr 4:4:4 (the same bytes) and 4:2:0 (3.1 MB),
which is what video is. The baselines run in another environment (pip install imagezmq "vidgear[core]"
opencv-python-headless), as neither is a dependency; it runs this module too, which is why that needs no other package.
`--only` measures some parts anew and keeps the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import ends
import live
from header import header_cost
from live import killed_subscribers, slow_subscriber
from processes import HERE
from throughput import throughput

PARTS = ("header", "ipc", "tcp", "slow_subscriber", "killed_subscribers")


def versions(baselines_python: str) -> dict[str, str]:
    import numpy as np
    import zmq

    found = {"python": platform.python_version(), "pyzmq": zmq.__version__, "libzmq": zmq.zmq_version()}
    found["numpy"] = np.__version__
    if baselines_python:
        code = "from importlib.metadata import version as v; print(*map(v, ['imagezmq', 'vidgear', 'pyzmq']))"
        told = subprocess.run(
            [baselines_python, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        found |= dict(zip(("imagezmq", "vidgear", "pyzmq of the peers"), told.split(), strict=True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=HERE.parents[1] / "benchmarks" / "zmq.json")
    parser.add_argument(
        "--baselines-python", "--peers-python", default="", help="without it the baselines are left out"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    results |= {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {"cpus": os.cpu_count(), "system": platform.platform()},
        "versions": results.get("versions", {}) | versions(options.baselines_python),
    }
    for part in options.only:
        load = round(os.getloadavg()[0], 1)
        results[part] = measure(part, options) | {"load_before": load}
        options.output.write_text(json.dumps(results, indent=2) + "\n")
        print(json.dumps({part: results[part]}, indent=2))


def measure(part: str, options: argparse.Namespace) -> dict[str, object]:
    if part == "header":
        return dict(header_cost())
    if part == "slow_subscriber":
        return slow_subscriber(options.seconds)
    if part == "killed_subscribers":
        return killed_subscribers(options.seconds / 3)
    return throughput(part, options.rounds, options.frames, options.baselines_python)


def run_end(name: str, words: list[str]) -> None:
    """One end of a stream, in this process."""
    function = getattr(live, name, None) or getattr(ends, name)
    function(*map(number, words))


def number(word: str) -> int | float | str:
    try:
        return int(word) if word.isdigit() else float(word)
    except ValueError:
        return word


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_end(sys.argv[2], sys.argv[3:])
    else:
        main()
