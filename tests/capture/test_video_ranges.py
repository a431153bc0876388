"""A range of a clip: the same frames as of the whole, without decoding what lies before."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import make_clip

from streamfuse.capture import video_source as file
from streamfuse.capture.avframe import picture_of
from streamfuse.capture.video_source import VideoFileSource
from streamfuse.errors import InputError


def frames_of(path, **options):
    with VideoFileSource(path, **options) as source:
        return list(source)


CODERS = {
    "a.mkv": {"codec": "libx265", "x265-params": "log-level=error:open-gop=1"},
    "a.mp4": {"codec": "libx264", "x264-params": "open-gop=1:bframes=3"},
    "a.ts": {"codec": "libx264", "time_base": Fraction(1, 25)},
    "a.webm": {"codec": "libvpx-vp9", "deadline": "realtime", "cpu-used": 8},
    "a.avi": {"codec": "ffv1", "time_base": Fraction(1, 25)},
}


@pytest.mark.parametrize("name", CODERS)
@pytest.mark.parametrize(("first", "end"), [(None, 5), (33, 41), (47, None), (0, 1), (12, 13), (36, 37)])
def test_a_range_is_the_same_frames(tmp_path, name, first, end):
    path = tmp_path / name
    make_clip(path, 50, g=12, **CODERS[name])  # type: ignore[arg-type]
    whole, part = frames_of(path)[first:end], frames_of(path, frames=(first, end))
    assert [frame.index for frame in part] == [frame.index for frame in whole]
    assert [frame.pts for frame in part] == [frame.pts for frame in whole]
    assert all(np.array_equal(a.luma, b.luma) for a, b in zip(part, whole, strict=True))


def test_a_late_range_does_not_decode_what_lies_before(tmp_path, monkeypatch):
    make_clip(tmp_path / "a.mp4", 100, codec="libx264", g=10)
    decoded = []
    monkeypatch.setattr(file, "picture_of", lambda frame: decoded.append(frame) or picture_of(frame))
    read = file.VideoFileSource._next_pictures
    packets = []
    monkeypatch.setattr(
        file.VideoFileSource, "_next_pictures", lambda self, source: packets.append(1) or read(self, source)
    )
    assert [frame.index for frame in frames_of(tmp_path / "a.mp4", frames=(90, 92))] == [90, 91]
    assert len(decoded) <= 3
    assert len(packets) < 50


def test_frame_count_is_of_the_range(tmp_path):
    make_clip(tmp_path / "a.mp4", 20, codec="libx264")
    for frames, count in ((None, 20), ((5, None), 15), ((None, 3), 3), ((10, 99), 10)):
        with VideoFileSource(tmp_path / "a.mp4", frames=frames) as source:
            assert source.info.frame_count == count


def test_a_range_beyond_the_end(tmp_path):
    make_clip(tmp_path / "a.mkv", 5)
    with pytest.raises(InputError, match="has no frame 9"):
        VideoFileSource(tmp_path / "a.mkv", frames=(9, None))
    for frames in ((3, 3), (-1, 2)):
        with pytest.raises(InputError, match="range of frames"):
            VideoFileSource(tmp_path / "a.mkv", frames=frames)


@pytest.mark.slow
def test_a_range_of_a_clip_of_an_old_encoder():
    """Its first packet alone says how its 4:4:4 is to be decoded: seeking past it gave wrong pixels."""
    data = Path(os.environ.get("STREAMFUSE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    clip = data / "video" / "cockatoo.mp4"
    if not clip.exists():
        pytest.skip(f"needs {clip}: set STREAMFUSE_DATA to the folder of test data")
    whole, part = frames_of(clip, frames=(None, 163))[160:], frames_of(clip, frames=(160, 163))
    for expected, frame in zip(whole, part, strict=True):
        assert frame.pts == expected.pts
        assert all(np.array_equal(a, b) for a, b in zip(frame.planes, expected.planes, strict=True))
