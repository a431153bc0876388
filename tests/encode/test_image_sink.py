from __future__ import annotations

import os
import resource

import cv2
import numpy as np
import pytest
from fused_frames import bars, clip, fused, source_info, write

from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.encode.image_sink import ImageSink
from streamfuse.encode.null_sink import NullSink
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.errors import EncoderError, OutputError, OutputExistsError
from streamfuse.runtime.sinks import open_sink


def load(path):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else image[:, :, ::-1]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_pixels_follow_the_frames_matrix_and_depth(tmp_path, matrix, bits, suffix):
    info = source_info(bits=bits, subsampling=(0, 0), color=ColorInfo(matrix, 1, 1, False))
    write(ImageSink(tmp_path / f"a.{suffix}"), clip(info, 1))
    image = load(tmp_path / f"a.{suffix}")
    assert image.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.array_equal(image, planes_to_rgb(bars(info), bits, (0, 0), info.color))
    scale = 1 if bits == 8 else 257
    assert np.abs(image[0, 12] / scale - (191, 191, 0)).max() <= 2


def test_png_in_png_out_within_one(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (17, 23, 3), dtype=np.uint8)
    info = source_info(23, 17, subsampling=(0, 0), color=ColorInfo(1, 1, 13, True))
    planes = rgb_to_planes(rgb, bits=8, subsampling=(0, 0), color=info.color)
    write(ImageSink(tmp_path / "a.png"), [fused(info, planes, 0)])
    assert np.abs(load(tmp_path / "a.png").astype(int) - rgb).max() <= 1


def test_grey_is_stored_as_grey(tmp_path):
    info = source_info(chroma=False, color=ColorInfo(full_range=True))
    luma = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64).astype(np.uint8)
    write(ImageSink(tmp_path / "a.png"), [fused(info, (luma,), 0)])
    assert np.array_equal(load(tmp_path / "a.png"), luma)


def test_depth_on_request(tmp_path):
    info = source_info()
    write(ImageSink(tmp_path / "a.png", bits=16), clip(info, 1))
    write(ImageSink(tmp_path / "b.png", bits=8), clip(source_info(bits=10), 1))
    wide, narrow = load(tmp_path / "a.png"), load(tmp_path / "b.png")
    assert (wide.dtype, narrow.dtype) == (np.uint16, np.uint8)
    assert np.abs(wide / 257 - narrow).max() <= 3


def test_numbers_begin_with_the_first_frame_and_have_no_gaps(tmp_path):
    info = source_info()
    sink = ImageSink(tmp_path / "out_%03d.png")
    write(sink, [fused(info, bars(info), index) for index in (7, 9, 11)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out_007.png", "out_008.png", "out_009.png"]
    assert sink.outputs == [str(tmp_path / f"out_00{i}.png") for i in (7, 8, 9)]


@pytest.mark.parametrize("name", ["new", "new/", "."])
def test_a_folder_gets_numbered_pngs(tmp_path, name):
    sink = open_sink(f"{tmp_path}/{name}", source_info(), crf=20)
    write(sink, clip(source_info(), 2))
    assert [os.path.basename(path) for path in sink.outputs] == ["frame_00000.png", "frame_00001.png"]  # noqa: PTH119


def test_jpeg(tmp_path):
    info = source_info(bits=10)
    write(ImageSink(tmp_path / "a.jpg"), clip(info, 1))
    assert np.abs(load(tmp_path / "a.jpg")[0, 4].astype(int) - 191).max() <= 6


def test_refusals(tmp_path):
    info = source_info()
    single = ImageSink(tmp_path / "a.png")
    single.write(clip(info, 1)[0])
    with pytest.raises(OutputError, match="one image"):
        single.write(clip(info, 1)[0])
    with pytest.raises(OutputExistsError, match=r"a\.png exists"):
        ImageSink(tmp_path / "a.png")
    write(ImageSink(tmp_path / "a.png", overwrite=True), clip(info, 1))
    (tmp_path / "out_17.png").touch()
    with pytest.raises(OutputExistsError, match=r"out_17\.png exists"):
        ImageSink(tmp_path / "out_%02d.png")
    with pytest.raises(OutputError, match="no folder"):
        ImageSink(tmp_path / "none" / "a.png")
    with pytest.raises(OutputError, match=r"no folder .*none: make it first"):
        ImageSink(tmp_path / "none" / "folder")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file cannot be made"):
        ImageSink(tmp_path / "file")
    with pytest.raises(EncoderError, match=r"a\.bmp"):
        ImageSink(tmp_path / "a.bmp")
    with pytest.raises(EncoderError, match="12 bit"):
        ImageSink(tmp_path / "b.png", bits=12)
    with pytest.raises(EncoderError, match="16 bit"):
        ImageSink(tmp_path / "b.jpg", bits=16)


def test_a_full_disk_leaves_no_half_image(tmp_path):
    info = source_info()
    noise = np.random.default_rng(0).integers(16, 235, (48, 64), dtype=np.uint8)
    frame = fused(info, (noise, *bars(info)[1:]), 0)
    sink = ImageSink(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(OutputError, match=r"frame_00000\.png cannot be written"):
            sink.write(frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_open_sink_picks_by_name(tmp_path):
    info = source_info()
    with open_sink("null:", info, codec="h264") as nothing:
        assert isinstance(nothing, NullSink)
        nothing.write(clip(info, 1)[0])
        assert nothing.frames == 1
    with open_sink(tmp_path / "a.MKV", info, codec="ffv1") as video:
        assert isinstance(video, VideoFileSink)
    with open_sink(tmp_path / "a.tiff", info) as image:
        assert isinstance(image, ImageSink)
    with pytest.raises(EncoderError, match=r"a\.gif"):
        open_sink(tmp_path / "a.gif", info)


def test_a_folder_that_stays_empty_is_removed(tmp_path):
    ImageSink(tmp_path / "made").close()
    (tmp_path / "there").mkdir()
    ImageSink(tmp_path / "there").close()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_png_is_written_without_a_warning(tmp_path, capfd):
    write(ImageSink(tmp_path / "a.png"), clip(source_info(), 1))
    assert capfd.readouterr().err == ""


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["out_%02d.png", "out_00.png"])
def test_images_that_are_there_stay_until_all_new_ones_are_complete(tmp_path, name):
    info = source_info()
    count = 2 if "%" in name else 1
    (tmp_path / "out_00.png").write_bytes(b"precious")
    before = contents(tmp_path)
    with pytest.raises(ZeroDivisionError), ImageSink(tmp_path / name, overwrite=True) as failing:
        for frame in clip(info, count):
            failing.write(frame)
        raise ZeroDivisionError
    assert contents(tmp_path) == before
    assert failing.outputs == [str(tmp_path / f"unfinished/out_0{n}.png") for n in range(count)]
    assert load(failing.outputs[0]).shape == (48, 64, 3)
    assert "are as they were; what was made is in" in failing.warnings[0]
    sink = ImageSink(tmp_path / name, overwrite=True)
    write(sink, clip(info, count))
    assert sink.outputs == [str(tmp_path / f"out_0{n}.png") for n in range(count)]
    assert load(tmp_path / "out_00.png").shape == (48, 64, 3)
    assert not (tmp_path / "unfinished-2").exists()
