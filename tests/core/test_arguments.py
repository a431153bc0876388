"""Whatever is handed in from Python by mistake is refused by a sentence that says what to hand in instead."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import streamfuse
from streamfuse.core.arguments import described
from streamfuse.core.frame import FusedFrame
from streamfuse.errors import StreamfuseError, UsageError

RGB = np.zeros((32, 48, 3), np.uint8)
SAMPLE = "sample:?frames=4&size=64x48"


@pytest.fixture(scope="module")
def fuser():
    return streamfuse.Fuser(fuser="mertens")


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (None, "cv2.imread"),
        (RGB / 255, r"astype\(np\.uint8\)"),
        (RGB.astype(np.float16), r"astype\(np\.uint8\)"),
        (RGB.astype(np.int64), r"astype\(np\.uint8\)"),
        (RGB.astype(np.uint32), r"astype\(np\.uint8\)"),
        (RGB > 1, r"\* 255"),
        (np.zeros((32, 48, 4), np.uint8), r"\[\.\.\., :3\]"),
        (np.zeros((32, 48, 1), np.uint8), r"\[\.\.\., 0\]"),
        (np.zeros((3, 32, 48), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((3, 32, 48), np.float32), r"transpose\(1, 2, 0\)"),
        (torch.zeros(3, 32, 48), r"transpose\(1, 2, 0\)"),
        (np.zeros((2, 32, 48, 3), np.uint8), r"got \(2, 32, 48, 3\)"),
        (RGB[:0], "empty"),
        ("a.jpg", "PIL.Image.open"),
        (Path("a.jpg"), "PIL.Image.open"),
        (Image.new("P", (8, 8)), "convert"),
        (Image.new("RGBA", (8, 8)), "convert"),
        ([[1, 2], [3]], "by NumPy"),
        (7, r"got \(\)"),
    ],
)
def test_a_picture_that_is_none(fuser, picture, says):
    for pictures in ([picture, RGB], [RGB, picture], [picture, picture]):
        with pytest.raises(UsageError, match=says):
            fuser(pictures)


@pytest.mark.parametrize(
    "pictures", [None, 3, "ab", b"ab", {"a": RGB, "b": RGB}, Image.new("RGB", (8, 8)), RGB]
)
def test_what_is_no_list_of_pictures(fuser, pictures):
    with pytest.raises(UsageError, match=r"list of pictures.*\[under, over\]"):
        fuser(pictures)


def test_what_numpy_takes_for_a_picture_is_one(fuser):
    picture = Image.new("RGB", (48, 32), (10, 20, 30))
    np.testing.assert_array_equal(fuser(p for p in (picture, picture))[0, 0], [10, 20, 30])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"preset": 3}, "preset"),
        ({"preset": ["fast"]}, "preset"),
        ({"device": 0}, "device '0'"),
        ({"fuser": 3}, "fuser has to be"),
        ({"threads": 0}, "threads"),
        ({"threads": "2"}, "threads"),
        ({"threads": 1.5}, "threads"),
    ],
)
def test_settings_of_a_wrong_kind(settings, says):
    with pytest.raises(StreamfuseError, match=says):
        streamfuse.Fuser(**settings)


def test_a_device_of_torch_is_a_device():
    assert streamfuse.Fuser("fast", torch.device("cpu")).device == "cpu"  # type: ignore[arg-type]


@pytest.mark.parametrize("door", [streamfuse.fuse_video, streamfuse.open_source])
@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([RGB, RGB], r"shape \(32, 48, 3\).*fuse_pair"),
        (np.stack([RGB] * 3), "fuse_pair"),
        ((picture for picture in (RGB, RGB)), "fuse_pair"),
        (None, "name of a file.*None"),
        (b"clip.mov", "name of a file"),
        (["clip.mov", None], "name of a file.*None"),
        (0, r"camera.*open_camera\('0'\)"),
    ],
)
def test_inputs_that_are_no_names(door, inputs, says):
    with pytest.raises(UsageError, match=says):  # at once, not when the first frame is asked for
        door(inputs)


@pytest.mark.parametrize(
    "name",
    ["0", "/dev/video97", "rtsp://me:secret@127.0.0.1:9/x", "http://127.0.0.1:9/x?token=secret", "pylon:"],
)
def test_a_camera_is_told_apart_from_a_file(name):
    with pytest.raises(UsageError, match=r"open_camera\('") as found:
        streamfuse.open_source(name)
    assert "secret" not in str(found.value)
    assert "streamfuse live" in str(found.value)


@pytest.mark.parametrize("frames", ["0:4", 4, (0,), (0.5, 2), [0, 2]])
def test_frames_that_are_no_range(frames):
    with pytest.raises(UsageError, match=r"frames has to be \(first, end\)"):
        streamfuse.open_source(SAMPLE, frames=frames)


@pytest.mark.parametrize("rate", ["25", 0, -1, float("nan"), float("inf")])
def test_rates_that_are_none(rate):
    with pytest.raises(UsageError, match="rate has to be"):
        streamfuse.open_source(SAMPLE, rate=rate)


@pytest.mark.parametrize("config", ["fast", {}])
def test_a_config_that_is_none(config):
    with pytest.raises(UsageError, match="load_config"):
        streamfuse.fuse_video(SAMPLE, config=config)


@pytest.mark.parametrize("target", ["null:", "a.mkv", "a_%03d.png", "hls:folder", "mjpeg://127.0.0.1:0"])
def test_a_sink_for_frames_is_given_an_array(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with streamfuse.open_source(SAMPLE) as source:
        info = source.info
    with streamfuse.open_sink(target, info) as sink:
        with pytest.raises(UsageError, match=r"FusedFrame\.from_rgb"):
            sink.write(RGB)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="fuse_video"):
            sink.write(None)


def test_an_array_is_written_as_a_frame(tmp_path):
    rng = np.random.default_rng(0)
    picture = np.full((32, 48, 3), rng.integers(0, 256, 3), np.uint8)
    with streamfuse.open_sink(tmp_path / "a.mkv", codec="ffv1") as sink:
        for number in range(3):
            sink.write(FusedFrame.from_rgb(picture, number, rate=30))
    with streamfuse.open_source(tmp_path / "a.mkv") as source:
        frames = list(source)
    assert [round(float(f.pts * f.time_base), 3) for f in frames] == [0, 0.033, 0.067]
    rgb = FusedFrame(frames[0].planes, 8, frames[0].subsampling, frames[0].color, 0, Fraction(1), 0).rgb()
    assert np.abs(rgb.astype(int) - picture).max() <= 2


@pytest.mark.parametrize("picture", [RGB / 255, None, RGB[:0], RGB[..., :2], "a.png"])
def test_a_frame_of_what_is_no_picture(picture):
    with pytest.raises(UsageError, match=r"Pictures must be|A picture is None|Pictures are arrays"):
        FusedFrame.from_rgb(picture)


def test_outputs_and_their_options(tmp_path):
    for target in (None, 3, RGB):
        with pytest.raises(UsageError, match="name of an output"):
            streamfuse.open_sink(target)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="did you mean 'codec'"):
        streamfuse.open_sink(tmp_path / "a.mkv", cdoec="h264")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="is no output"):
        streamfuse.open_sink("rtpm://127.0.0.1/x")


@pytest.mark.parametrize("endpoint", [5556, None, b"tcp://127.0.0.1:5556", RGB])
def test_endpoints_that_are_none(endpoint):
    with pytest.raises(UsageError, match="no ZeroMQ endpoint"):
        streamfuse.subscribe(endpoint)


@pytest.mark.parametrize("seconds", ["5", -1.0, float("nan")])
def test_times_that_are_none(seconds):
    for name in ("timeout", "max_age"):
        with pytest.raises(UsageError, match=f"{name} has to be seconds"):
            streamfuse.subscribe("tcp://127.0.0.1:5556", **{name: seconds})


def test_parts_of_a_pipeline_that_are_none():
    nothing = streamfuse.Line.empty()
    with streamfuse.open_source(SAMPLE) as source, streamfuse.open_sink("null:") as sink:
        for parts, says in (
            ((RGB, nothing, [sink]), "open_source"),
            ((source, nothing, "a.mkv"), r"\[open_sink"),
            ((source, nothing, ["a.mkv"]), "open_sink"),
            ((source, "fast", [sink]), r"Line\(NAME, stage\)"),
            ((source, list(nothing.stages), [sink]), r"Line\(NAME, stage\)"),
        ):
            with pytest.raises(UsageError, match=says):
                streamfuse.Pipeline(*parts)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_can_be_described_in_a_few_words(value):
    assert 0 < len(described(value)) < 400
    assert "\n" not in described(value)
