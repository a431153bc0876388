"""Data and a configuration for tests that train."""

import cv2
import numpy as np
import pytest
from pictures import radiance
from small_runs import write_stack

from streamfuse.lab.train.train_config import TrainConfig


@pytest.fixture(scope="session")
def stacks(tmp_path_factory):
    """Three stacks, one of them with a label, one panorama."""
    root = tmp_path_factory.mktemp("data")
    write_stack(root / "stills/train/one", 1)
    write_stack(root / "stills/train/two", 2)
    write_stack(root / "stills/reference/three", 3, label=True)
    (root / "stills/hdr").mkdir()
    light = np.repeat(radiance(64, 128)[..., None], 3, axis=2)
    assert cv2.imwrite(str(root / "stills/hdr/four.hdr"), light)
    return root


@pytest.fixture
def config(stacks, tmp_path):
    def make(**changes):
        settings = {
            "networks": {"tiny": {"widths": [8, 8, 8, 16]}},
            "data": stacks,
            "out": tmp_path / "out",
            "held_back": ["two"],
            "steps": 3,
            "batch": 2,
            "crop": [64, 64],
            "warm_up": 1,
            "threads": 1,
            "validate_every": 2,
        }
        return TrainConfig.model_validate(settings | changes)

    return make
