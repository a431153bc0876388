"""Fused frames beside what they were made of."""

import numpy as np

from streamfuse.config import load_config
from streamfuse.core.color import to_8_bit
from streamfuse.lab.evaluate.beside import beside_exposures
from streamfuse.runtime.sources import open_source


def test_each_frame_comes_with_the_exposures_of_its_instant():
    config = load_config("default").with_overrides(preset="fast")
    with open_source("sample:?frames=5&size=64x48") as source:
        frames = list(source)
    found = list(beside_exposures(frames, config))
    assert [fused.index for fused, _, _ in found] == [0, 1, 2, 3, 4]
    for fused, exposures, rank in found:
        # What was taken then is as it was taken; the other one was made.
        np.testing.assert_array_equal(exposures[rank], to_8_bit(frames[fused.index].rgb()))
        assert exposures[0].mean() < exposures[1].mean()
