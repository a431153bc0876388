"""Transparent parts of photographs are kept where the format can, and change nothing beside them."""

from __future__ import annotations

import json

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from pictures import rgb_exposures
from PIL import Image

from streamfuse.capture.image_source import ImageSequenceSource
from streamfuse.cli.app import main
from streamfuse.imaging.transparency import common, filled
from streamfuse.photo.reading import read_photo
from streamfuse.photo.still_fusion import fuse_stills
from streamfuse.photo.writing import write_photo
from streamfuse.runtime.sources import open_source

SIZE = (96, 128)
WINDOW = (slice(30, 70), slice(40, 90))  # what is empty


def alpha_of(dtype=np.uint8):
    alpha = np.full(SIZE, np.iinfo(dtype).max, dtype)
    alpha[WINDOW] = 0
    return alpha


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_is_written_and_read(tmp_path, suffix, grey, dtype):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, np.iinfo(dtype).max, (*SIZE, 3)).astype(dtype)
    pixels = pixels[..., 0] if grey else pixels
    alpha = alpha_of(dtype)
    alpha[0, :] = 77
    write_photo(tmp_path / f"p{suffix}", pixels, alpha=alpha)
    photo = read_photo(tmp_path / f"p{suffix}")
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha, alpha)
    np.testing.assert_array_equal(photo.pixels, np.repeat(pixels[..., None], 3, 2) if grey else pixels)


@pytest.mark.parametrize("deep", [False, True])
def test_colours_that_are_multiplied_by_alpha_are_divided(tmp_path, deep):
    dtype = np.uint16 if deep else np.uint8
    top = np.iinfo(dtype).max
    alpha = np.full(SIZE, top // 2, dtype)
    picture = np.dstack([np.full((*SIZE, 3), top // 4, dtype), alpha])
    path = tmp_path / "p.tif"
    write_photo(path, picture[..., :3], alpha=alpha)
    data = bytearray(path.read_bytes())
    at = data.index(b"\x52\x01\x03\x00\x01\x00\x00\x00\x02")  # ExtraSamples: not multiplied
    data[at + 8] = 1
    path.write_bytes(data)
    photo = read_photo(path)
    np.testing.assert_allclose(photo.pixels.astype(float), top // 2, atol=2)


def test_an_alpha_that_says_nothing_is_none(tmp_path):
    for value in (0, 255):
        Image.new("RGBA", (6, 4), (9, 9, 9, value)).save(tmp_path / "p.png")
        assert read_photo(tmp_path / "p.png").alpha is None


def test_what_is_empty_goes_on_as_its_surroundings():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    picture = np.dstack([x, y, 100 + 0 * x]).astype(np.uint8)
    alpha = alpha_of()
    holed = picture.copy()
    holed[WINDOW] = 0
    out = filled(holed, alpha)
    np.testing.assert_array_equal(out[alpha > 0], picture[alpha > 0])
    assert np.abs(out.astype(float) - picture)[WINDOW].max() < 25
    assert np.abs(out[WINDOW][..., 2].astype(float) - 100).max() <= 1
    assert filled(picture, np.zeros_like(alpha)) is picture
    np.testing.assert_array_equal(common([None, alpha, np.full_like(alpha, 9)]), np.minimum(alpha, 9))
    assert common([None, None]) is None


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_empty_part_is_kept_and_darkens_nothing(tmp_path, suffix, dtype):
    alpha = alpha_of(dtype)
    whole, holed = [], []
    for number, rgb in enumerate(rgb_exposures(*SIZE, 3, dtype=dtype)):
        whole.append(tmp_path / f"whole{number}{suffix}")
        holed.append(tmp_path / f"holed{number}{suffix}")
        write_photo(whole[-1], rgb)
        write_photo(holed[-1], np.where(alpha[..., None] > 0, rgb, 0).astype(dtype), alpha=alpha)
    options = {"preset": "fast", "device": "cpu"}
    fuse_stills(whole, tmp_path / f"a{suffix}", **options)  # type: ignore[arg-type]
    summary = fuse_stills(holed, tmp_path / f"b{suffix}", **options)  # type: ignore[arg-type]
    assert summary.warnings == ()
    without, with_hole = read_photo(tmp_path / f"a{suffix}"), read_photo(tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(with_hole.alpha, alpha)
    scale = np.iinfo(dtype).max / 255
    beside = cv2.dilate((alpha == 0).astype(np.uint8), np.ones((9, 9))) - (alpha == 0)
    change = (with_hole.pixels.astype(float) - without.pixels)[beside > 0] / scale
    assert abs(change.mean()) < 2.5
    assert np.abs(change).mean() < 6


def test_what_cannot_hold_it_says_so(tmp_path):
    for number, rgb in enumerate(rgb_exposures(*SIZE, 2)):
        write_photo(tmp_path / f"{number}.png", rgb, alpha=alpha_of())
    names = [str(tmp_path / f"{number}.png") for number in range(2)]
    arguments = ["still", *names, "-o", str(tmp_path / "o.jpg"), "--preset", "fast"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "o.jpg cannot hold the transparency" in result.stderr
    result = CliRunner().invoke(main, [*arguments, "--json", "--overwrite"])
    assert "alpha" in json.loads(result.stdout)["warnings"][0]


def test_a_film_says_that_its_alpha_is_not_kept(tmp_path):
    with av.open(str(tmp_path / "a.mov"), "w") as out:
        stream = out.add_stream("prores_ks", rate=24, options={"profile": "4444"})
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuva444p10le"
        for number in range(4):
            frame = av.VideoFrame(SIZE[1], SIZE[0], "yuva444p10le")
            for plane in frame.planes:
                memoryview(plane).cast("B")[:] = bytes(len(memoryview(plane).cast("B")))
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with open_source(tmp_path / "a.mov") as source:
        assert any("alpha channel" in text for text in source.report().warnings)
        assert len(list(source)) == 4
    for number, rgb in enumerate(rgb_exposures(*SIZE, 2)):
        write_photo(tmp_path / f"{number}.png", rgb, alpha=alpha_of())
        write_photo(tmp_path / f"plain{number}.png", rgb, alpha=np.full(SIZE, 255, np.uint8))
    assert "alpha channel" in ImageSequenceSource(sorted(tmp_path.glob("[01].png"))).warnings[0]
    assert ImageSequenceSource(sorted(tmp_path.glob("plain?.png"))).warnings == []
