"""Noise for the network on the device against that of the CPU path, without a device."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from streamfuse.backends.cuda import device_grain as device
from streamfuse.fusion import grain as host


@pytest.mark.parametrize("size", [(1, 1), (9, 200), (90, 160)])
@pytest.mark.parametrize("codes", [0.0, 3.0])
def test_noise_is_that_of_the_cpu_path(size, codes):
    rng = np.random.default_rng(0)
    made = cv2.GaussianBlur(rng.random(size, np.float32), (0, 0), 4)
    taken = (made + rng.normal(0, codes / 255, size)).clip(0, 1).astype(np.float32)
    wanted = host.grained(made, taken, 11)
    found = device.grained(torch.from_numpy(made), torch.from_numpy(taken), 11).numpy()
    # A pixel on the border of two steps of brightness may count as the one or the other.
    assert np.quantile(np.abs(found - wanted), 0.99) < 5e-4
    assert (np.abs(wanted - made).max() > 0) == (codes > 0 and made.size > 1000)
