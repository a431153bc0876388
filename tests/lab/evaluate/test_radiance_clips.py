"""Radiance from files: right light, right order, plain errors."""

import av
import cv2
import numpy as np
import pytest

from streamfuse.errors import InputError, InputNotFoundError
from streamfuse.lab.evaluate.radiance_clips import (
    HdrFolder,
    VideoRadiance,
    clip_to_radiance,
    luminance,
    read_hdr,
    stretch_to,
)


@pytest.fixture
def clip(tmp_path):
    """Six grey frames, each 30 code values brighter, 24x18, BT.709 limited, lossless."""
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 24, 18, "yuv420p"
        for number in range(6):
            picture = av.VideoFrame(24, 18, "yuv420p")
            for plane, value in zip(picture.planes, (16 + 30 * number, 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def test_clip_to_radiance_undoes_gamma():
    rgb = np.full((2, 2, 3), 128, np.uint8)
    np.testing.assert_allclose(clip_to_radiance(rgb), (128 / 255) ** 2.2, rtol=1e-5)
    np.testing.assert_allclose(clip_to_radiance(rgb.astype(np.uint16) * 257), (128 / 255) ** 2.2, rtol=1e-5)


def test_stretch_multiplies_the_stops_and_keeps_the_hue():
    rgb = np.random.default_rng(0).integers(1, 256, (32, 32, 3)).astype(np.uint8)
    plain, stretched = clip_to_radiance(rgb), clip_to_radiance(rgb, stretch=2.0)
    np.testing.assert_allclose(luminance(stretched), luminance(plain) ** 2, rtol=1e-4)
    np.testing.assert_allclose(
        stretched / stretched.sum(2, keepdims=True), plain / plain.sum(2, keepdims=True), 1e-4
    )
    assert stretched.max() <= 1


def test_stretch_to_reaches_the_wanted_range():
    ramp = np.linspace(20, 255, 4096).round().astype(np.uint8).reshape(64, 64)
    rgb = np.repeat(ramp[..., None], 3, axis=2)
    light = luminance(clip_to_radiance(rgb, stretch=stretch_to(rgb, 12.0)))
    low, high = np.percentile(light, [1, 99.5])
    assert np.log2(high / low) == pytest.approx(12, abs=0.05)
    assert stretch_to(rgb, 0.5) == 1.0
    assert stretch_to(np.zeros((4, 4, 3), np.uint8), 12.0) == 1.0


def test_video_frames_come_in_any_order(clip):
    video = VideoRadiance(clip)
    assert len(video) == 6
    expected = [(30 * number / 219) ** 2.2 for number in range(6)]
    for number in (0, 3, 1, 5, 5, 4):
        np.testing.assert_allclose(video[number], expected[number], rtol=0.02, atol=1e-4)


def test_part_of_a_video_at_another_size(clip):
    video = VideoRadiance(clip, start=2, count=2, width=12)
    assert len(video) == 2
    assert video[0].shape == (9, 12, 3)
    np.testing.assert_allclose(video[1], (90 / 219) ** 2.2, rtol=0.02)
    assert len(video.pts) == 2


def test_video_that_is_not_there_or_none(tmp_path, clip):
    with pytest.raises(InputNotFoundError, match=r"nothing\.mkv"):
        VideoRadiance(tmp_path / "nothing.mkv")
    garbage = tmp_path / "garbage.mkv"
    garbage.write_bytes(b"no video")
    with pytest.raises(InputError, match=r"garbage\.mkv"):
        VideoRadiance(garbage)
    with pytest.raises(InputError, match="6 frames"):
        VideoRadiance(clip, start=10)


def test_every_other_frame_of_a_video_keeps_its_time_stamps(clip):
    every, other = VideoRadiance(clip), VideoRadiance(clip, start=1, step=2)
    assert other.pts == every.pts[1::2]
    assert other.rate == every.rate / 2
    for mine, frame in zip(other, every[1::2], strict=True):
        np.testing.assert_array_equal(mine, frame)


def test_hdr_folder_is_read_in_order_of_names(tmp_path):
    for number in (2, 0, 1):
        bgr = np.full((4, 6, 3), (1.0, 2.0, 4.0 * (number + 1)), np.float32)
        cv2.imwrite(str(tmp_path / f"{number:04d}.hdr"), bgr)
    frames = HdrFolder(tmp_path)
    assert len(frames) == 3
    np.testing.assert_allclose(
        [frame[0, 0] for frame in frames], [(4, 2, 1), (8, 2, 1), (12, 2, 1)], rtol=0.01
    )
    with pytest.raises(IndexError):
        frames[3]
    part = HdrFolder(tmp_path, start=1, count=1)
    assert len(part) == 1
    np.testing.assert_array_equal(part[0], frames[1])


def test_hdr_errors(tmp_path):
    with pytest.raises(InputNotFoundError):
        HdrFolder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"0 \.hdr"):
        HdrFolder(tmp_path)
    (tmp_path / "bad.hdr").write_bytes(b"#?RADIANCE")
    with pytest.raises(InputError, match=r"bad\.hdr"):
        read_hdr(tmp_path / "bad.hdr")
