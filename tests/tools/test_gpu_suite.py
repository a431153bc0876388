"""The GPU suite runs from beginning to end on the CPU, with no more packages than a GPU machine has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "gpu_suite.py"
# What a GPU machine need not have: importing any of these fails.
BLOCK = "import sys; sys.modules.update(dict.fromkeys(['av', 'zmq', 'pydantic', 'yaml', 'cupy'])); "
RUN = f"import runpy; sys.argv[0] = {str(TOOL)!r}; runpy.run_path({str(TOOL)!r}, run_name='__main__')"


def run(*options: str, out: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OUT": str(out), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", BLOCK + RUN, *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=110)


@pytest.mark.slow
def test_a_dry_run_goes_through_every_part(tmp_path):
    done = run("--dry-run", "--train", out=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert report["dry_run"] is True
    assert report["failed"] == []
    assert {"machine", "ceilings", "parity", "tests", "sanitizer", "training"} < report.keys()
    assert report["parity"]["fuse_chroma_codes"] <= 1
    speed = report["speed tiny fast"]
    assert speed["whole_ms"] > 0
    assert {"upload_ms", "align_ms", "weigh_ms", "blend_ms", "finish_ms"} < speed.keys()
    assert speed["floor"]["sum_ms"] > 0


def test_without_a_gpu_it_says_so(tmp_path):
    done = run(out=tmp_path)
    assert done.returncode == 1
    assert "no CUDA device" in done.stderr
    assert "Traceback" not in done.stderr
