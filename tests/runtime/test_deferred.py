"""`open_sink` without a source: the first frame decides."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import streamfuse
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import FusedFrame
from streamfuse.errors import EncoderError


def grey_frame(index: int) -> FusedFrame:
    planes = (np.full((48, 64), 40 * index, np.uint8), *(np.full((24, 32), 128, np.uint8),) * 2)
    return FusedFrame(planes, 8, (1, 1), ColorInfo(1, 1, 1), index, Fraction(1, 25), index)


def test_frames_come_back(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    with streamfuse.open_sink(path, codec="ffv1") as sink:
        for index in range(3):
            sink.write(grey_frame(index))
    assert sink.outputs == [str(path)]
    with streamfuse.open_source(path) as source:
        assert [int(frame.luma[0, 0]) for frame in source] == [0, 40, 80]


def test_nothing_written_leaves_nothing(tmp_path: Path) -> None:
    with streamfuse.open_sink(tmp_path / "out.mkv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_wrong_target_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"\.xyz"):
        streamfuse.open_sink(tmp_path / "out.xyz")
