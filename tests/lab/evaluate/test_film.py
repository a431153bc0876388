"""One entry for every kind of scene."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from streamfuse.errors import InputError, InputNotFoundError
from streamfuse.lab.evaluate.film import film
from streamfuse.lab.evaluate.simulate import Simulation


@pytest.fixture
def world():
    return cv2.GaussianBlur(np.random.default_rng(0).random((32, 64, 3)).astype(np.float32), (0, 0), 1)


def test_folder_of_hdr_frames(tmp_path, world):
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.hdr"), world)
    clip = film(tmp_path, Simulation(first="over"), start=1, count=2)
    assert (clip.instants, clip.info.width, clip.info.height) == (2, 64, 32)
    assert clip.truth[0].rank == 1
    assert clip.info.name == tmp_path.name


def test_panorama(tmp_path, world):
    cv2.imwrite(str(tmp_path / "world.hdr"), world)
    clip = film(tmp_path / "world.hdr", count=3, width=40, objects=1)
    assert (clip.instants, clip.info.width, clip.info.height) == (3, 40, 30)


def test_video_keeps_its_uneven_time_stamps(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pts in (100, 140, 200, 230):
            picture = av.VideoFrame.from_ndarray(np.full((24, 16), 128, np.uint8), format="yuv420p")
            picture.pts, picture.time_base = pts, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    clip = film(path, start=1)
    times = [frame.pts * frame.time_base for frame in clip]
    assert times == [0, Fraction(60, 1000), Fraction(90, 1000)]


def test_nothing_and_no_scene(tmp_path):
    with pytest.raises(InputNotFoundError, match="missing"):
        film(tmp_path / "missing.mp4")
    with pytest.raises(InputError):
        film(tmp_path)
    with pytest.raises(InputNotFoundError, match=r"missing\.hdr"):
        film(tmp_path / "missing.hdr")
