"""Maps that ride along with fused frames."""

from __future__ import annotations

import numpy as np
import pytest
from wire_frames import planes

from streamfuse.config import Config
from streamfuse.errors import UsageError
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through
from streamfuse.runtime.maps import AttachMaps
from streamfuse.synthetic.sample_source import SampleSource


def fused_with(names, size=(64, 48)):
    source = SampleSource(*size, frames=6, noise=False)
    config = Config().with_overrides(preset="fast", fuser="mertens", align="global")
    return list(through(build_chain(config, 1, [AttachMaps(names)]).line, source))


def test_all_maps():
    frame = fused_with(["weights", "ghost", "aligned"])[3]
    weights = frame.maps["weights"].astype(np.float32)
    assert weights.ndim == 3 and len(weights) == 2
    assert np.allclose(weights.sum(axis=0), 1, atol=0.01)
    assert frame.maps["ghost"].shape == (2, 48, 64)
    assert frame.maps["ghost"].dtype == np.uint8
    names = [f"aligned.{rank}.{plane}" for rank in (0, 1) for plane in ("y", "cb", "cr")]
    assert set(frame.maps) == {"weights", "ghost", *names}
    assert frame.maps["aligned.0.y"].mean() < frame.maps["aligned.1.y"].mean()  # darkest first
    assert [frame.maps[name].shape for name in names[:3]] == [plane.shape for plane in planes()]


def test_only_what_was_asked_for():
    assert set(fused_with(["ghost"])[0].maps) == {"ghost"}
    with pytest.raises(UsageError, match="weights"):
        AttachMaps(["wheights"])
