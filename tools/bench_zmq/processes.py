"""Each end of a stream is a process of its own, which prints what it measured as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 1920, 1080
PORT = 5671


def address(transport: str) -> str:
    return f"tcp://127.0.0.1:{PORT}" if transport == "tcp" else f"ipc:///tmp/bench_zmq_{PORT}"


def start(end: str, *args: object, python: str = sys.executable) -> subprocess.Popen[str]:
    """Run one of the functions of `ends` or `live`."""
    environment = os.environ | {"PYTHONPATH": str(HERE.parent.parent), "OPENBLAS_NUM_THREADS": "1"}
    words = [python, str(HERE), "--run", end, *map(str, args)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def result_of(process: subprocess.Popen[str], seconds: float | None = None) -> dict[str, Any]:
    """The JSON of its last line."""
    out, err = process.communicate(timeout=seconds)
    if not out:
        raise SystemExit(f"A process of this benchmark failed:\n{err}")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def tell(**measured: object) -> None:
    """Print what was measured."""
    print(json.dumps(measured), flush=True)
