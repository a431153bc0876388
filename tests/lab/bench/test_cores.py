"""The model of many cores: bounds that no rate can pass, and what it is made from."""

import time

import cv2
import numpy as np
import pytest

from streamfuse.lab.bench.benchmark import make_clip
from streamfuse.lab.bench.cores import CORES, Part, measure_cores, predict
from streamfuse.lab.bench.interpreter import InterpreterWatch

PARTS = {
    "decode": Part(8, 6, 0.5),
    "label": Part(2, 2, 0.5),
    "fuse": Part(80, 80, 4),
    "encode": Part(10, 1, 0.0),
}


def test_no_rate_passes_what_the_cores_or_the_interpreter_allow():
    rates = [predict(PARTS, cores)[0] for cores in CORES]
    assert rates[0] == pytest.approx(10)
    assert rates == sorted(rates)
    for cores, rate in zip(CORES, rates, strict=True):
        assert rate <= min(10 * cores, 1e3 / 5, 1e3 / 6) + 1e-9


def test_the_limit_is_named():
    free = {"fuse": Part(100, 100, 0)}
    assert predict(free, 64) == (pytest.approx(640), "cores")
    assert predict({"fuse": Part(100, 100, 10)}, 64)[1] == "interpreter"
    assert predict({**free, "label": Part(5, 5, 0)}, 64) == (pytest.approx(200), "label")


def test_a_queue_at_the_interpreter_costs_before_it_is_full():
    alone, beside = predict({"fuse": Part(100, 100, 5)}, 1)[0], predict({"fuse": Part(100, 100, 5)}, 16)[0]
    assert 10 * alone < beside < 16 * alone


def test_a_kernel_lets_go_of_the_interpreter_and_python_holds_it():
    watch, picture = InterpreterWatch(), np.zeros((600, 600), np.float32)

    def kernel():
        cv2.GaussianBlur(picture, (0, 0), 8)

    def python():
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            sum(range(50))

    in_kernel, in_python = watch.measure(kernel), watch.measure(python)
    assert in_kernel.held_s < 0.5 * in_kernel.cpu_s
    assert in_python.held_s > 0.5 * in_python.cpu_s


@pytest.mark.slow
def test_parts_are_measured_and_runs_check_the_prediction(tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", (96, 64), 10)
    said = []
    row = measure_cores(clip, "fast", tmp_path, said.append)
    assert set(row["parts"]) == {"decode", "label", "fuse", "encode"}
    assert all(part["held_ms"] <= part["own_ms"] * 1.01 for part in row["parts"].values())
    assert set(row["fps"]) == {str(cores) for cores in CORES}
    assert "1" in row["measured_fps"]
    assert said
