"""The ten scenes are the same each time, of wide range, and become a sheet and figures."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import procedural_scenes
from ten_scenes import main


@pytest.mark.parametrize("name", list(procedural_scenes.SCENES))
def test_a_scene_is_radiance_of_many_stops_and_textured(name):
    light = procedural_scenes.made(name)
    assert light.shape == (procedural_scenes.HEIGHT, procedural_scenes.WIDTH, 3)
    assert light.dtype == np.float32 and np.isfinite(light).all() and light.min() > 0
    low, high = np.percentile(light.mean(axis=2), [0.5, 99.5])
    assert np.log2(high / low) > 7
    logs = np.log(light.mean(axis=2))
    steps = np.abs(np.diff(logs, axis=1))
    assert (steps > 1e-3).mean() > 0.5  # of neighbours: nothing is flat


def test_there_are_ten_and_a_scene_is_the_same_each_time():
    assert len(procedural_scenes.SCENES) == 10
    np.testing.assert_array_equal(procedural_scenes.made("candle"), procedural_scenes.made("candle"))


@pytest.mark.slow
def test_a_sheet_has_a_line_for_each_scene_and_a_picture_for_each_method(tmp_path):
    def run(*more):
        arguments = ["window", "snow", "-o", tmp_path / "sheet.png", "--fuser", "lcndr-xs", *more]
        done = CliRunner().invoke(main, [str(one) for one in arguments])
        assert done.exit_code == 0, done.output

    run("--keep", tmp_path / "kept")
    run("--before", tmp_path / "kept", "--json", tmp_path / "ten.json")
    rows = json.loads((tmp_path / "ten.json").read_text())["rows"]
    methods = [row["method"] for row in rows if row["scene"] == "window"]
    assert methods[0] == "Mertens" and methods[-2:] == ["before", "now"]
    before, now = ({k: v for k, v in row.items() if k != "method"} for row in rows[-2:])
    assert before == now and 0.9 < now["mef_ssim"] <= 1 and now["clipped"] < 0.1
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 240 * (2 + len(methods))
