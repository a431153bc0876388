"""Smoothing on the device against that of the CPU path, without a device."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from streamfuse.backends.cuda.align import DeviceBracket
from streamfuse.backends.cuda.blend import DeviceMaps
from streamfuse.backends.cuda.smooth import DeviceInstant, DeviceSmoother
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import AlignedBracket, Bracket, Frame, FusionMaps, WeighedBracket
from streamfuse.temporal.smooth import Smoother

SIZE, SIZES = (96, 160), ((24, 40), (12, 20), (3, 5))


@pytest.mark.parametrize(("cycle", "coverage"), [(2, (1.0, 1.0)), (2, (1.0, 1.25)), (3, (1.0, 1.0))])
def test_maps_are_those_of_the_cpu_path(cycle, coverage):
    rng = np.random.default_rng(0)
    theirs, ours = Smoother(), DeviceSmoother()
    expected, found = [], []
    luma = rng.integers(90, 100, (cycle, *SIZE)).astype(np.uint8)
    for t in range(12):
        priors = []
        for size in SIZES:
            values = rng.uniform(0.3, 0.5, (cycle, *size)) + 0.1 * (t % 2) * np.arange(cycle)[:, None, None]
            priors.append((values / values.sum(0)).astype(np.float32))
        gains = (rng.uniform(0.5, 1.5, SIZES[0]).astype(np.float32),)
        flows = [rng.normal(0, 0.7, (48, 80, 2)).astype(np.float32) if 0 < t != 6 else None for _ in range(2)]
        shown = luma.copy()
        shown[:, :, 100:] += np.uint8(rng.integers(0, 40))
        planes = tuple((one,) for one in shown)
        bracket = Bracket(
            Frame(planes[t % cycle], 8, (0, 0), ColorInfo(), t, Fraction(1), t), t % cycle, cycle, {}
        )
        aligned = AlignedBracket(bracket, planes, (0.0,) * cycle, (None,) * cycle, flows[0], flows[1])
        expected += theirs.push(WeighedBracket(aligned, FusionMaps(tuple(priors), gains, coverage)))
        on_device = [None if f is None else torch.from_numpy(f).permute(2, 0, 1) for f in flows]
        device = DeviceBracket(bracket, None, torch.from_numpy(shown), None, torch.zeros(()), *on_device)  # type: ignore[arg-type]
        maps = DeviceMaps(tuple(map(torch.from_numpy, priors)), tuple(map(torch.from_numpy, gains)), coverage)
        found += ours.push(DeviceInstant(device, maps, ()))
    expected += theirs.flush()
    found += ours.flush()
    assert len(found) == len(expected) == 12
    for one, other in zip(found, expected, strict=True):
        for mine, exact in zip(one.all_maps, (*other.maps.priors, *other.maps.gains), strict=True):
            np.testing.assert_allclose(mine.numpy(), exact, atol=5e-3)  # OpenCV looks at 32nds of a pixel
