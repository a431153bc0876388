"""Photographs as files: formats, depths, Exif, profiles, orientation, memory, the command."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from pictures import rgb_exposures
from PIL import Image, ImageCms

from streamfuse.cli.app import main
from streamfuse.errors import (
    EncoderError,
    InputError,
    InputNotFoundError,
    OutputError,
    OutputExistsError,
    UsageError,
)
from streamfuse.photo.handheld import align_pictures
from streamfuse.photo.reading import read_photo
from streamfuse.photo.still_fusion import Fuser, fuse_stills
from streamfuse.photo.writing import write_photo

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
TAGS = {
    271: "Maker",
    306: "2024:01:02 03:04:05",
    EXIF_IFD: {0x829A: 0.008, 0x8827: 200, 0x9003: "2024:01:02 03:04:05", 0x927C: b"note" * 40},
    GPS_IFD: {1: "N", 2: (50.0, 1.0, 2.0)},
}
SUFFIXES = (".jpg", ".png", ".tif")


@pytest.fixture(scope="module")
def icc():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def bracket(folder, suffix=".png", count=2, dtype=np.uint8, height=72, width=96, **extra):
    paths = []
    for number, rgb in enumerate(rgb_exposures(height, width, count, dtype=dtype)):
        paths.append(folder / f"{number}{suffix}")
        write_photo(paths[-1], rgb, **extra)
    return paths


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_written_is_read(tmp_path, suffix, grey, dtype, icc):
    rng = np.random.default_rng(0)
    pixels = cv2.GaussianBlur(rng.integers(0, np.iinfo(dtype).max, (37, 50, 3)).astype(dtype), (0, 0), 3)
    pixels = pixels[:, :, 0] if grey else pixels
    path = tmp_path / f"p{suffix}"
    profile = None if grey else icc
    write_photo(path, pixels, tags=TAGS, icc=profile, quality=100)
    photo = read_photo(path)
    assert photo.icc == profile
    assert {tag: value for tag, value in photo.tags.items() if tag in TAGS} == TAGS
    with Image.open(path) as image:
        assert image.getexif()[0x0112] == 1
        image.load()
    if suffix == ".jpg":
        expected = pixels if dtype == np.uint8 else np.rint(pixels / 257)
        np.testing.assert_allclose(photo.pixels.astype(float), expected, atol=6)
    else:
        np.testing.assert_array_equal(photo.pixels, pixels)


def test_depths_are_converted(tmp_path):
    wide = np.arange(0, 65536, 7, dtype=np.uint16)[None].repeat(2, axis=0)
    write_photo(tmp_path / "narrow.png", wide, bits=8)
    np.testing.assert_array_equal(read_photo(tmp_path / "narrow.png").pixels, np.rint(wide / 257))
    write_photo(tmp_path / "wide.png", np.array([[0, 1, 255]], np.uint8), bits=16)
    np.testing.assert_array_equal(read_photo(tmp_path / "wide.png").pixels, [[0, 257, 65535]])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path, suffix, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(
        np.kron(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10, np.ones((16, 16), np.uint8))
    )
    path = tmp_path / f"turned{suffix}"
    image.save(path, exif=exif)
    image.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    photo = read_photo(path)
    np.testing.assert_allclose(photo.pixels.astype(int), upright.astype(int), atol=3)
    write_photo(tmp_path / "again.png", photo.pixels, tags=photo.tags)
    np.testing.assert_array_equal(read_photo(tmp_path / "again.png").pixels, photo.pixels)


def test_16_bit_png_without_exif(tmp_path):
    # looking for Exif behind the pixels makes Pillow read them
    pixels = np.arange(5400, dtype=np.uint16).reshape(30, 60, 3) * 12
    cv2.imwrite(str(tmp_path / "plain.png"), pixels)
    np.testing.assert_array_equal(read_photo(tmp_path / "plain.png").pixels, pixels[:, :, ::-1])


def test_orientation_of_16_bit(tmp_path):
    pixels = np.arange(24, dtype=np.uint16).reshape(4, 6) * 1000
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "b.png", exif=exif)
    np.testing.assert_array_equal(read_photo(tmp_path / "b.png").pixels, np.rot90(pixels, -1))


@pytest.mark.parametrize(
    ("mode", "shape"), [("L", (4, 6)), ("LA", (4, 6)), ("P", (4, 6, 3)), ("RGBA", (4, 6, 3))]
)
def test_alpha_and_palettes(tmp_path, mode, shape):
    Image.new("RGBA", (6, 4), (200, 200, 200, 128)).convert(mode).save(tmp_path / "p.png")
    photo = read_photo(tmp_path / "p.png")
    assert photo.pixels.shape == shape
    assert abs(int(photo.pixels.flat[0]) - 200) <= 3


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_fuses_files(tmp_path, suffix, dtype, icc):
    paths = bracket(tmp_path, suffix, 3, dtype, tags=TAGS, icc=icc)
    out = tmp_path / f"fused{suffix}"
    summary = fuse_stills(paths, out, preset="fast", device="cpu")
    fused = read_photo(out)
    assert summary.frames_in == 3
    assert summary.bits == 8 * fused.pixels.dtype.itemsize
    assert fused.pixels.dtype == (np.uint8 if suffix == ".jpg" else dtype)
    assert fused.icc == icc
    assert fused.tags[271] == "Maker"
    assert fused.tags[EXIF_IFD][0x8827] == 200
    expected = Fuser("fast", "cpu")([read_photo(p).pixels for p in paths])
    if suffix == ".jpg":
        # gradients survive quality 95 within a few code values
        assert np.abs(fused.pixels.astype(int) - expected).mean() < 3
    else:
        np.testing.assert_array_equal(fused.pixels, expected)


def test_size_in_exif_is_that_of_the_picture(tmp_path):
    tags = {EXIF_IFD: {0xA002: 5, 0xA003: 6}}
    paths = bracket(tmp_path, ".jpg", tags=tags)
    fuse_stills(paths, tmp_path / "f.jpg", preset="fast", device="cpu")
    details = read_photo(tmp_path / "f.jpg").tags[EXIF_IFD]
    assert (details[0xA002], details[0xA003]) == (96, 72)


def test_a_maker_note_too_long_for_jpeg_is_left_out(tmp_path):
    tags = {271: "Maker", EXIF_IFD: {0x8827: 200, 0x927C: b"x" * 70_000}}
    write_photo(tmp_path / "p.jpg", np.zeros((8, 8, 3), np.uint8), tags=tags)
    kept = read_photo(tmp_path / "p.jpg").tags
    assert kept[EXIF_IFD] == {0x8827: 200}


def test_quality(tmp_path):
    paths = bracket(tmp_path)
    sizes = []
    for quality in (40, 95):
        fuse_stills(paths, tmp_path / "f.jpg", preset="fast", device="cpu", quality=quality, overwrite=True)
        sizes.append((tmp_path / "f.jpg").stat().st_size)
    assert sizes[0] < sizes[1] / 2


def test_folder_and_pattern(tmp_path):
    (tmp_path / "scene").mkdir()
    bracket(tmp_path / "scene")
    outputs = []
    for n, inputs in enumerate([[tmp_path / "scene"], [f"{tmp_path}/scene/*.png"]]):
        fuse_stills(inputs, tmp_path / f"{n}.png", preset="fast", device="cpu")
        outputs.append(read_photo(tmp_path / f"{n}.png").pixels)
    np.testing.assert_array_equal(*outputs)  # type: ignore[arg-type]


def test_refusals_name_the_file(tmp_path, icc):
    good = bracket(tmp_path)
    other = tmp_path / "other.png"
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(good[0].read_bytes()[:900])
    cases = [
        (InputError, "other.png is 50x40", np.zeros((40, 50, 3), np.uint8), {}),
        (InputError, "other.png has 16 bit", np.zeros((72, 96, 3), np.uint16), {}),
        (InputError, "grey", np.zeros((72, 96), np.uint8), {}),
    ]
    for kind, text, pixels, extra in cases:
        write_photo(other, pixels, **extra)  # type: ignore[arg-type]
        with pytest.raises(kind, match=text):
            fuse_stills([good[0], other], tmp_path / "f.png", preset="fast", device="cpu")
    with pytest.raises(InputError, match=r"damaged\.png"):
        fuse_stills([good[0], damaged], tmp_path / "f.png", preset="fast", device="cpu")
    with pytest.raises(InputNotFoundError, match=r"missing\.png"):
        fuse_stills([good[0], tmp_path / "missing.png"], tmp_path / "f.png", preset="fast", device="cpu")
    with pytest.raises(UsageError, match="one picture"):
        fuse_stills([good[0]], tmp_path / "f.png", preset="fast", device="cpu")
    assert not (tmp_path / "f.png").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97])
def test_cut_files_are_refused(tmp_path, suffix, dtype, share):
    path = bracket(tmp_path, suffix, dtype=dtype)[0]
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=path.name):
        read_photo(path)


def test_different_profiles_are_refused(tmp_path, icc):
    paths = bracket(tmp_path, icc=icc)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    changed = bytearray(lab.tobytes())
    changed[-1] ^= 1
    write_photo(paths[1], read_photo(paths[1]).pixels, icc=bytes(changed))
    with pytest.raises(InputError, match="profiles"):
        fuse_stills(paths, tmp_path / "f.png", preset="fast", device="cpu")


def test_cmyk_is_refused(tmp_path):
    Image.new("CMYK", (8, 8)).save(tmp_path / "c.jpg")
    with pytest.raises(InputError, match="CMYK"):
        read_photo(tmp_path / "c.jpg")


def test_outputs_that_cannot_be(tmp_path):
    paths = bracket(tmp_path)
    (tmp_path / "there.png").write_bytes(b"mine")
    for kind, target, bits in [
        (EncoderError, "f.gif", None),
        (EncoderError, "f.jpg", 16),
        (EncoderError, "f.png", 10),
        (OutputError, "no/folder/f.png", None),
        (OutputExistsError, "there.png", None),
    ]:
        with pytest.raises(kind):
            fuse_stills(paths, tmp_path / target, preset="fast", device="cpu", bits=bits)
    assert (tmp_path / "there.png").read_bytes() == b"mine"
    with pytest.raises(UsageError, match="alignment"):
        fuse_stills(paths, tmp_path / "f.png", align="much")  # type: ignore[arg-type]


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    target = tmp_path / "f.png"
    target.write_bytes(b"mine")

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        write_photo(target, np.zeros((8, 8, 3), np.uint8))
    assert target.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("mode", ["global", "flow"])
def test_alignment_brings_a_hand_held_bracket_together(mode):
    height, width, shift = 240, 320, 6
    dark, bright = (rgb.astype(np.int16) for rgb in rgb_exposures(height, width + shift, 2, seed=3))
    reference, moved = dark[:, shift:].astype(np.uint8), bright[:, :width].astype(np.uint8)
    aligned = align_pictures([moved, reference], mode)
    assert np.abs(aligned[0].astype(int) - reference).max() <= 2
    inner = np.s_[20:-20, 20:-20]
    wanted = bright[:, shift:][inner]
    before, after = (np.median(np.abs(picture[inner] - wanted)) for picture in (moved, aligned[1]))
    assert after <= 2
    assert after < before / 2


def test_command(tmp_path):
    bracket(tmp_path)
    out = tmp_path / "f.jpg"
    arguments = [
        "still",
        f"{tmp_path}/0.png",
        f"{tmp_path}/1.png",
        "-o",
        str(out),
        "--preset",
        "fast",
        "--device",
        "cpu",
    ]
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["outputs"] == [str(out)]
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "--overwrite" in again.output
    assert CliRunner().invoke(main, [*arguments, "--overwrite", "--quality", "101"]).exit_code == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_50_megapixels_fit_in_2_gb(tmp_path):
    light = cv2.resize(
        np.random.default_rng(0).random((40, 60, 3), dtype=np.float32),
        (8660, 5774),
        interpolation=cv2.INTER_CUBIC,
    )
    for name, gain in (("dark", 0.4), ("bright", 1.4)):
        pixels = np.clip(light * np.float32(gain * 255), 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), pixels)
    del light, pixels
    # VmHWM and not ru_maxrss: that one is inherited from the process that starts it
    script = (
        "import re, sys; from pathlib import Path; from streamfuse.photo.still_fusion import fuse_stills; "
        "fuse_stills(sys.argv[1:3], sys.argv[3], device='cpu'); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    files = [str(tmp_path / name) for name in ("dark.jpg", "bright.jpg", "fused.jpg")]
    done = subprocess.run([sys.executable, "-c", script, *files], check=True, capture_output=True, text=True)
    assert int(done.stdout) * 1024 < 2e9
    with Image.open(files[2]) as image:
        assert image.size == (8660, 5774)
