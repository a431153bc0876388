from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from clips import make_clip

from streamfuse.core.frame import Exposure
from streamfuse.errors import InputError, InputNotFoundError, UsageError
from streamfuse.runtime.sources import open_source


@pytest.fixture
def folder(tmp_path):
    for i in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"img{i}.png"), np.full((8, 10, 3), 10 * i, np.uint8))
    (tmp_path / "notes.txt").write_text("x")
    return tmp_path


def levels(source):
    with source:
        return [round(float(frame.luma.mean()), -1) for frame in source]


def test_folder_glob_and_list(folder):
    assert levels(open_source(folder)) == [10, 20, 100]
    assert levels(open_source(f"{folder}/img*.png")) == [10, 20, 100]
    shell = sorted(folder.glob("*.png"))  # img1 img10 img2, as a shell expands *
    assert levels(open_source(shell)) == [10, 20, 100]
    assert levels(open_source([folder / "img10.png", folder / "img1.png", folder / "img2.png"])) == [
        100,
        10,
        20,
    ]
    assert levels(open_source(folder, frames=(1, 3))) == [20, 100]


def test_rate_is_for_images(folder):
    with open_source(folder, rate=Fraction(8)) as source:
        assert source.info.rate == 8
    make_clip(folder / "a.mkv", 2)
    with pytest.raises(UsageError, match="has its own"):
        open_source(folder / "a.mkv", rate=Fraction(8))


def test_one_video_and_one_per_exposure(tmp_path):
    for name in ("a.mkv", "b.mkv"):
        make_clip(tmp_path / name, 4)
    with open_source(tmp_path / "a.mkv", frames=(1, 3)) as source:
        assert [frame.index for frame in source] == [1, 2]
    with open_source([tmp_path / "a.mkv", tmp_path / "b.mkv"]) as source:
        assert source.info.simultaneous == 2
        assert len(list(source)) == 8


def test_sidecar_exposures_reach_the_frames(tmp_path):
    make_clip(tmp_path / "a.mkv", 4)
    (tmp_path / "a.csv").write_text("frame,exposure_us,gain\n1,500,2\n3,4000,2\n")
    with open_source(tmp_path / "a.mkv", sidecar=tmp_path / "a.csv") as source:
        assert [frame.exposure for frame in source] == [None, Exposure(500, 2), None, Exposure(4000, 2)]
    with open_source(tmp_path / "a.mkv", sidecar=tmp_path / "a.csv", frames=(1, 2)) as source:
        assert [frame.exposure for frame in source] == [Exposure(500, 2)]


def test_sample():
    with open_source("sample:?size=64x48&frames=10", frames=(2, 5)) as source:
        assert source.info.frame_count == 3
        assert [frame.index for frame in source] == [2, 3, 4]


def test_refusals(folder):
    with pytest.raises(InputNotFoundError, match="No file matches"):
        open_source(f"{folder}/*.jpg")
    with pytest.raises(InputNotFoundError, match="no file"):
        open_source(folder / "none.mp4")
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="has no images"):
        open_source(folder / "empty")
    with pytest.raises(UsageError, match="No input"):
        open_source([])
    with pytest.raises(UsageError, match="Standard input"):
        open_source(["-", folder / "a.mkv"])
    with pytest.raises(InputError, match="not a video"):
        open_source(folder / "notes.txt")
