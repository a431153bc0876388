"""The tool that measures what `live` holds: a few seconds of it."""

import json
import subprocess
import sys

import pytest
from runs import REPOSITORY


@pytest.mark.slow
def test_a_short_run_has_all_figures(tmp_path):
    file = tmp_path / "live.json"
    tool = REPOSITORY / "tools" / "bench_live.py"
    options = ["--seconds", "3", "--case", "idle", "--camera", "sim:?size=96x64&rate=10", "--json", str(file)]
    subprocess.run([sys.executable, str(tool), *options], check=True, timeout=100)
    found = json.loads(file.read_text())
    case = found["cases"]["idle"]
    assert case["exit_status"] == 0
    assert case["fps_in"] == pytest.approx(10, abs=2)
    # Frames that waited when the clock started come out within these few seconds too.
    assert 0 < case["fps_out"] < 2 * case["fps_in"]
    assert 0 < case["age_ms"]["p50"] <= case["age_ms"]["p99"]
    assert found["environment"]["commit"]
