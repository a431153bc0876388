"""One alignment policy: both backends make the same exposures by it, and nothing of it is written a second time."""

from __future__ import annotations

import ast
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import streamfuse
from streamfuse.align import Aligner
from streamfuse.backends.cuda.align import DeviceAligner
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure, Frame
from streamfuse.exposure import ExposureClassifier, Pairer
from streamfuse.runtime.line import Line, through

GAP_EV, HEIGHT, WIDTH = 3, 96, 160
TRANSFERS = {
    "gamma": lambda light: light ** (1 / 2.2),
    "sRGB": lambda light: np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055),
    "BT.709": lambda light: np.where(light < 0.018, 4.5 * light, 1.099 * light**0.45 - 0.099),
}


def footage(transfer: str, known: bool, count: int = 4) -> list[Frame]:
    """A soft scene that pans, in turns dark and bright, with a little colour."""
    noise = np.random.default_rng(0).random((HEIGHT + 60, WIDTH + 60)).astype(np.float32)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 5), None, 0, 1, cv2.NORM_MINMAX)
    frames = []
    for index in range(count):
        light = scene[20 : 20 + HEIGHT, 10 + index : 10 + index + WIDTH] ** 2 * 0.9 + 0.01
        exposed = np.clip(light * 0.35 * 2.0 ** (GAP_EV * (index % 2)), 0, 1)
        luma = np.round(16 + 219 * TRANSFERS[transfer](exposed)).astype(np.uint8)
        blue, red = (
            np.round(128 + share * (luma[::2, ::2].astype(float) - 16)).astype(np.uint8)
            for share in (-0.1, 0.08)
        )
        exposure = Exposure(time_us=1000.0 * 2 ** (GAP_EV * (index % 2))) if known else None
        frames.append(
            Frame(
                (luma, blue, red), 8, (1, 1), ColorInfo(1), index, Fraction(1, 25), index, exposure=exposure
            )
        )
    return frames


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((one.astype(float) - other) ** 2), 1e-9)))


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("preset", ["fast", "balanced", pytest.param("best", marks=pytest.mark.slow)])
def test_both_backends_make_the_same_exposures(preset: str, transfer: str, known: bool) -> None:
    brackets = through(Line("label", ExposureClassifier()).then("pair", Pairer()), footage(transfer, known))
    cpu, device = Aligner(preset), DeviceAligner(torch.device("cpu"), None, preset, graphs=False)  # type: ignore[arg-type]
    for bracket in brackets:
        (expected,) = cpu.push(bracket)
        found, missing = device(bracket), 1 - bracket.rank
        assert found.chroma is not None
        made = [found.lumas[missing].numpy(), *found.chroma[:, missing].numpy()]
        for plane, exact in zip(made, expected.exposures[missing], strict=True):
            assert psnr(plane, exact) >= 45
        assert (found.flow_before is None) == (expected.flow_before is None)
        assert (found.flow_after is None) == (expected.flow_after is None)


DECISIONS = {
    "BalanceTracker", "curve_of_histograms", "known_gap", "part_of_the_way", "share_of_same", "with_known_gap",
}  # fmt: skip


def test_what_to_match_and_to_trust_is_decided_in_one_place() -> None:
    """Each decision is called in one module of the package, which both backends run."""
    root = Path(streamfuse.__file__).parent
    callers: dict[str, set[str]] = {name: set() for name in DECISIONS}
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if name in callers:
                    callers[name].add(path.name)
    # A curve between two pictures as such is measured beside what it is made of.
    callers["curve_of_histograms"].discard("photometric.py")
    assert callers == {name: {"policy.py"} for name in DECISIONS}
