"""`evaluate` where the packages of streamfuse[evaluate] are not installed: it works, and says what is left out."""

import json
import sys

import pytest
from pictures import rgb_exposures
from runs import streamfuse

from streamfuse.lab.evaluate.baseline_stills import plain_mean
from streamfuse.photo.writing import write_photo


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    """A scene with its reference, and neither scikit-image nor Jinja2."""
    for package in ("skimage", "jinja2"):
        monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "scenes" / "one").mkdir(parents=True)
    pictures = rgb_exposures(32, 48, 2)
    for name, rgb in [("0", pictures[0]), ("1", pictures[1]), ("reference", plain_mean(pictures))]:
        write_photo(tmp_path / "scenes" / "one" / f"{name}.png", rgb)
    return tmp_path / "scenes"


def test_photographs_are_scored_but_for_two_figures_and_it_is_said(scenes, tmp_path):
    file = tmp_path / "f.json"
    done = streamfuse("evaluate", "stills", scenes, "--fuser", "mertens", "--no-speed", "--json", file)
    assert done.exit_code == 0, done.stderr
    assert "SSIM and CIEDE2000 are left out" in done.stderr
    assert "pip install 'streamfuse[evaluate]'" in done.stderr
    score = json.loads(file.read_text())["scores"][0]
    assert (score["ssim"], score["delta_e"], score["delta_color"]) == (None, None, None)
    assert score["psnr"] > 10
    assert score["mef_ssim"] > 0.5


def test_a_page_is_refused_in_one_sentence_before_the_work(scenes, tmp_path):
    page = tmp_path / "page.html"
    done = streamfuse("evaluate", "stills", scenes, "--fuser", "mertens", "--report", page)
    assert done.exit_code == 2
    assert "A report needs Jinja2" in done.stderr
    assert "pip install 'streamfuse[evaluate]'" in done.stderr
    assert not page.exists()
