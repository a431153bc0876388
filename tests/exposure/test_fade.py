from __future__ import annotations

import numpy as np
import pytest
from align_clips import grey_frame

from streamfuse.core.color_info import luma_range
from streamfuse.exposure.fade import evenly_dimmed


@pytest.mark.parametrize("size", [(40, 60), (37, 53), (4, 4)])
def test_the_brightest_shade_is_the_quantile_of_the_picture(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    luma = np.sort(rng.integers(30, 200, size).astype(np.uint8), axis=None).reshape(size)
    frames = [grey_frame(luma, 0), grey_frame(luma, 2)]
    black, white = luma_range(8, frames[0].color.full_range)
    wanted = (np.quantile(luma[::4, ::4], 0.998) - black) / (white - black)
    assert evenly_dimmed(frames) == pytest.approx({0: wanted, 2: wanted})
