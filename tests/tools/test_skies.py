"""What is told of skies: a steady one does not flicker, one that alternates does; all methods have figures."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import procedural_scenes
from skies import Flicker, inner, main

EVERYWHERE = np.ones((8, 8), np.bool_)


def flicker_of(levels, sky=EVERYWHERE):
    found = Flicker()
    for level in levels:
        found.add(np.full((8, 8), level, np.float32), sky)
    return found.figures()


def test_a_steady_sky_and_one_that_fades_evenly_do_not_flicker():
    assert flicker_of([0.5] * 5) == {"pixels": 0, "level": 0, "instants": 3}
    assert flicker_of([0.5, 0.52, 0.54, 0.56])["level"] == pytest.approx(0, abs=1e-4)


def test_a_sky_that_alternates_flickers_by_four_times_its_deviation():
    assert flicker_of([0.49, 0.51] * 3)["pixels"] == pytest.approx(100 * 0.04 / 0.5, rel=0.03)


def test_what_is_no_sky_in_one_of_three_frames_does_not_count():
    assert np.isnan(flicker_of([0.2, 0.8, 0.2], ~EVERYWHERE)["pixels"])


def test_the_border_of_a_sky_is_left_out():
    sky = np.zeros((40, 40), np.bool_)
    sky[5:35, 5:35] = True
    assert inner(sky).sum() == 20 * 20 and not inner(sky)[9, 20] and inner(sky)[10, 20]


@pytest.mark.slow
def test_figures_of_a_clip_are_of_all_methods_and_written_with_a_strip(tmp_path):
    clip = tmp_path / "clip"
    clip.mkdir()
    light = procedural_scenes.made("snow")
    for number in range(6):
        exposed = np.clip(light / light.max() * 2.0 ** (4 * (number % 2) + 1), 0, 1) ** (1 / 2.2)
        cv2.imwrite(str(clip / f"{number:04d}.png"), np.rint(255 * exposed[..., ::-1]).astype(np.uint8))
    arguments = [
        clip,
        "--json",
        tmp_path / "skies.json",
        "--strip",
        tmp_path / "strip.png",
        "--preset",
        "fast",
    ]
    done = CliRunner().invoke(main, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "skies.json").read_text())
    assert found["frames"] == len(found["rows"]) >= 4
    assert {"streamfuse", "opencv-mertens"} <= set(found["means"])
    assert 0.2 < found["means"]["streamfuse"]["contrast"] < 1.5
    assert found["flicker"]["streamfuse"]["level"] < 1
    assert cv2.imread(str(tmp_path / "strip.png")).shape[1] == found["frames"]
