"""Counting of wrong labels."""

import json

import cv2
import numpy as np
import pytest

from streamfuse.lab.evaluate import labels
from streamfuse.lab.evaluate.labels import (
    Cuts,
    LabelTrials,
    Looped,
    evaluate_labels,
    fades,
    longest_run,
    score_labels,
)
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation


def scene(count=6, seed=0):
    noise = np.random.default_rng(seed).random((36, 48, 3)).astype(np.float32)
    still = cv2.GaussianBlur(noise, (0, 0), 2) ** 6
    return [np.roll(still, t, axis=1) for t in range(count)]


def test_a_scene_is_played_to_and_fro():
    frames = [np.full((2, 2, 3), t, np.float32) for t in range(4)]
    loop = Looped(frames, 9, lambda t: 2.0 if t == 8 else 1.0)
    assert [float(loop[t][0, 0, 0]) for t in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 4]
    assert len(Looped(frames[:1], 3)) == len([*Looped(frames[:1], 3)]) == 3


def test_cuts_go_there_and_back():
    one, other = Looped(scene(seed=1), 200), Looped(scene(seed=2), 200)
    cut = Cuts(one, other)
    np.testing.assert_array_equal(cut[89], one[89])
    np.testing.assert_array_equal(cut[90], other[90])
    np.testing.assert_array_equal(cut[180], one[180])


def test_fades_reach_black_and_full_brightness():
    light = [fades(t) for t in range(90)]
    assert (min(light), max(light)) == (0, 1)


def test_longest_run():
    assert longest_run([False, True, True, False, True]) == 2
    assert longest_run([]) == 0


def test_right_labels_score_nothing_and_breaks_are_found():
    clip = SimulatedClip(Looped(scene(), 80), Simulation(drop=0.05, double=0.05, seed=3), name="scene")
    score = score_labels(clip)
    assert (score.wrong, score.brackets_until_right, score.refused) == (0, 0, False)
    assert score.broken == score.found > 0
    assert (score.clip, score.gap_ev, score.frames) == ("scene", 3.0, len(clip))


def test_wrong_labels_are_counted(monkeypatch):
    class Swapping(labels.ExposureClassifier):
        def _labelled(self, ranks):
            return super()._labelled([1 - rank for rank in ranks])

    monkeypatch.setattr(labels, "ExposureClassifier", Swapping)
    score = score_labels(SimulatedClip(Looped(scene(), 40), Simulation()))
    assert (score.wrong, score.longest_wrong, score.brackets_until_right) == (40, 40, 20)
    assert score.wrong_per_1000 == 1000


def test_what_does_not_alternate_is_refused_and_not_an_error():
    black = [np.zeros((36, 48, 3), np.float32)]
    score = score_labels(SimulatedClip(Looped(black, 60), Simulation(noise=0.0)))
    assert score.refused


@pytest.mark.parametrize("scenario", ["steady", "lights", "window to wall", "cuts"])
def test_trials_from_files(tmp_path, scenario):
    for folder, seed in (("one", 0), ("two", 5)):
        (tmp_path / folder).mkdir()
        for number, picture in enumerate(scene(4, seed)):
            cv2.imwrite(str(tmp_path / folder / f"{number}.hdr"), picture)
    trials = LabelTrials(
        (tmp_path / "one", tmp_path / "two"), gaps=(3.0,), frames=120, width=48, scenarios=(scenario,)
    )
    lines: list[str] = []
    figures = evaluate_labels(trials, report=lines.append)
    assert (figures["wrong"], len(figures["rows"]), len(lines)) == (0, 2, 2)
    assert json.dumps(figures)
