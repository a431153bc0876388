from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.capture.exif import read_exif
from streamfuse.capture.image_source import ImageSequenceSource, natural_key
from streamfuse.core.color import planes_to_rgb
from streamfuse.core.frame import Exposure
from streamfuse.errors import InputError, InputNotFoundError


def scene(height=20, width=30, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


def save(path: Path, rgb) -> Path:
    assert cv2.imwrite(str(path), rgb[:, :, ::-1] if rgb.ndim == 3 else rgb, [cv2.IMWRITE_JPEG_QUALITY, 100])
    return path


def exif_block(orientation=1, order="<"):
    """A TIFF structure with orientation, 1/60 s and ISO 200."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    first = struct.pack(order + "HHHIHHHHIII", 2, 0x112, 3, 1, orientation, 0, 0x8769, 4, 1, 38, 0)
    second = struct.pack(order + "HHHIIHHIHHI", 2, 0x829A, 5, 1, 68, 0x8827, 3, 1, 200, 0, 0)
    return head + first + second + struct.pack(order + "II", 1, 60)


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    body = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
def test_lossless_images_come_back_within_one_code_value(tmp_path, suffix, dtype):
    rgb = scene(dtype=dtype)
    with ImageSequenceSource([save(tmp_path / f"a{suffix}", rgb)]) as source:
        [frame] = source
    back = planes_to_rgb(frame.planes, frame.bits, frame.subsampling, frame.color)
    assert back.dtype == dtype
    assert np.abs(back.astype(int) - rgb).max() <= (1 if dtype == np.uint8 else 2)
    assert source.info.color.full_range


def test_jpeg_keeps_its_own_planes(tmp_path):
    smooth = cv2.resize(scene(5, 6), (60, 40), interpolation=cv2.INTER_CUBIC)
    with ImageSequenceSource([save(tmp_path / "a.jpg", smooth)]) as source:
        [frame] = source
    assert frame.subsampling != (0, 0)
    assert source.info.color.full_range
    assert source.info.color.luma_coefficients(40) == (0.299, 0.114)
    back = planes_to_rgb(frame.planes, frame.bits, frame.subsampling, frame.color)
    assert np.abs(back.astype(int) - smooth).mean() < 4


def test_grey_and_alpha(tmp_path):
    grey = scene()[:, :, 0]
    with ImageSequenceSource([save(tmp_path / "a.png", grey), save(tmp_path / "b.png", grey)]) as source:
        first, _ = source
    assert not source.info.has_chroma
    assert np.array_equal(first.luma, grey)
    alpha = np.dstack([scene(), grey])
    cv2.imwrite(str(tmp_path / "c.png"), alpha[:, :, [2, 1, 0, 3]])
    with ImageSequenceSource([tmp_path / "c.png"]) as source:
        [frame] = source
    back = planes_to_rgb(frame.planes, 8, (0, 0), frame.color)
    assert np.abs(back.astype(int) - alpha[:, :, :3]).max() <= 1


def test_time_stamps_and_ranges(tmp_path):
    paths = [save(tmp_path / f"{i}.png", scene(seed=i)) for i in range(6)]
    with ImageSequenceSource(paths, Fraction(10), frames=(2, 5)) as source:
        frames = list(source)
    assert source.info.frame_count == 3
    assert [frame.index for frame in frames] == [2, 3, 4]
    assert [frame.pts * frame.time_base for frame in frames] == [
        Fraction(2, 10),
        Fraction(3, 10),
        Fraction(4, 10),
    ]


# What a viewer shows for each Exif orientation.
UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.fliplr(np.rot90(a, -1)),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.fliplr(np.rot90(a)),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation(tmp_path, orientation):
    # Grey blocks of 8 pixels: exact through JPEG, and all eight orientations differ.
    blocks = np.kron(np.array([[20, 80, 140], [200, 250, 50]], np.uint8), np.ones((8, 8), np.uint8))
    _, jpeg = cv2.imencode(".jpg", np.dstack([blocks] * 3), [cv2.IMWRITE_JPEG_QUALITY, 100])
    (tmp_path / "a.jpg").write_bytes(with_exif(jpeg.tobytes(), exif_block(orientation)))
    with ImageSequenceSource([tmp_path / "a.jpg"]) as source:
        [frame] = source
    expected = UPRIGHT[orientation](blocks)
    assert (source.info.height, source.info.width) == expected.shape
    assert np.abs(frame.luma.astype(int) - expected).max() <= 1
    # OpenCV's own reader, which follows Exif, agrees.
    assert np.abs(cv2.imread(str(tmp_path / "a.jpg"))[:, :, 0].astype(int) - frame.luma).max() <= 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_exposure_from_exif(tmp_path, order):
    _, jpeg = cv2.imencode(".jpg", scene())
    data = with_exif(jpeg.tobytes(), exif_block(3, order))
    (tmp_path / "a.jpg").write_bytes(data)
    with ImageSequenceSource([tmp_path / "a.jpg"]) as source:
        [frame] = source
    assert frame.exposure == Exposure(time_us=pytest.approx(1e6 / 60), gain=2.0)  # type: ignore[arg-type]
    block = exif_block(3, order)
    assert read_exif(block) == read_exif(data)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", len(block), b"eXIf") + block + b"\0\0\0\0"
    assert read_exif(png) == read_exif(data)


@given(st.binary(max_size=300), st.sampled_from(["", "jpeg", "tiff", "cut", "png"]), st.integers(0, 100))
@settings(max_examples=200, deadline=None)
def test_damaged_exif_is_no_exif(noise, kind, at):
    block = exif_block(6)
    spoilt = block[:at] + noise + block[at + len(noise) :]
    whole = {
        "": noise,
        "jpeg": with_exif(b"\xff\xd8\xff\xd9", spoilt),
        "tiff": b"II*\0" + noise,
        "cut": with_exif(b"\xff\xd8\xff\xd9", block)[:at],
        "png": b"\x89PNG\r\n\x1a\n" + noise,
    }
    assert 1 <= read_exif(whole[kind]).orientation <= 8


def test_numbers_sort_as_numbers():
    names = ["img10.png", "img2.png", "img1.png", "a.png", "img2b.png"]
    assert sorted(names, key=lambda name: natural_key(Path(name))) == [
        "a.png",
        "img1.png",
        "img2.png",
        "img2b.png",
        "img10.png",
    ]


class TestRefusals:
    def test_sizes_are_named(self, tmp_path):
        paths = [save(tmp_path / "a.png", scene()), save(tmp_path / "b.png", scene(22, 30))]
        with (
            ImageSequenceSource(paths) as source,
            pytest.raises(InputError, match=r"b\.png is 30x22 .*a\.png is 30x20"),
        ):
            list(source)

    def test_depths_are_named(self, tmp_path):
        paths = [save(tmp_path / "a.png", scene()), save(tmp_path / "b.png", scene(dtype=np.uint16))]
        with (
            ImageSequenceSource(paths) as source,
            pytest.raises(InputError, match=r"b\.png has 16 bit .*a\.png has 8"),
        ):
            list(source)

    def test_grey_among_colour(self, tmp_path):
        paths = [save(tmp_path / "a.png", scene()), save(tmp_path / "b.png", scene()[:, :, 0])]
        with (
            ImageSequenceSource(paths) as source,
            pytest.raises(InputError, match="store colour differently"),
        ):
            list(source)

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
    def test_damaged(self, tmp_path, suffix):
        good = save(tmp_path / f"a{suffix}", scene(200, 200))
        for size in (0, 40, 20_000):
            (tmp_path / f"b{suffix}").write_bytes(good.read_bytes()[:size])
            with pytest.raises(InputError, match=rf"b\{suffix}"):
                ImageSequenceSource([tmp_path / f"b{suffix}"])

    def test_floats(self, tmp_path):
        cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((4, 4, 3), np.float32))
        with pytest.raises(InputError, match="float32"):
            ImageSequenceSource([tmp_path / "a.tif"])

    def test_nothing(self, tmp_path):
        with pytest.raises(InputError, match="no image"):
            ImageSequenceSource([])
        with pytest.raises(InputNotFoundError, match=r"none\.png"):
            ImageSequenceSource([tmp_path / "none.png"])
