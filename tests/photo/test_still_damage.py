"""Photographs that are damaged or unusual: refused in one sentence, or right."""

import struct

import cv2
import numpy as np
import pytest
from pictures import rgb_exposures
from PIL import Image
from runs import streamfuse

from streamfuse.errors import InputError, UsageError
from streamfuse.photo.reading import read_photo
from streamfuse.photo.still_fusion import Fuser
from streamfuse.photo.writing import write_photo

SHAPE = (48, 64, 3)


@pytest.fixture(scope="module")
def picture():
    return rgb_exposures(*SHAPE[:2], 2)[1]


def tiff(path, planes, photometric, planar=1):
    """16 bit, without compression: one strip for each plane (H, W) or (H, W, 3)."""
    height, width = planes[0].shape[:2]
    channels = planes[0].shape[2] if planes[0].ndim == 3 else len(planes)
    data = [plane.astype("<u2").tobytes() for plane in planes]
    lists = 8 + sum(map(len, data))  # where bits, offsets and lengths of strips lie
    starts = [8 + sum(map(len, data[:n])) for n in range(len(data))]
    many = [16] * channels, starts, [len(strip) for strip in data]
    blocks = [struct.pack("<3H", *(many[0] * 3)[:3]), struct.pack(f"<{len(starts)}I", *many[1])]
    blocks.append(struct.pack(f"<{len(starts)}I", *many[2]))
    where = [lists, lists + 6, lists + 6 + 4 * len(starts)]

    def entry(tag, kind, values, at):
        inline = struct.pack("<HH" if kind == 3 else "<I", *([*values, 0][:2] if kind == 3 else values[:1]))
        return struct.pack("<HHI", tag, kind, len(values)) + (
            inline if len(values) == 1 else struct.pack("<I", at)
        )

    entries = [
        entry(256, 3, [width], 0), entry(257, 3, [height], 0), entry(258, 3, many[0], where[0]),
        entry(259, 3, [1], 0), entry(262, 3, [photometric], 0), entry(273, 4, many[1], where[1]),
        entry(277, 3, [channels], 0), entry(278, 3, [height], 0), entry(279, 4, many[2], where[2]),
        entry(284, 3, [planar], 0),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    body = b"".join(data) + b"".join(blocks)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory)


def test_16_bit_tiff_as_it_should_be(tmp_path, picture):
    wide = picture.astype(np.uint16) * 257
    tiff(tmp_path / "a.tif", [wide], photometric=2)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, wide)


def test_16_bit_tiff_with_channels_apart_is_refused(tmp_path, picture):
    wide = picture.astype(np.uint16) * 257
    tiff(tmp_path / "a.tif", [wide[..., n] for n in range(3)], photometric=2, planar=2)
    with pytest.raises(InputError, match=r"a\.tif stores its channels one after the other"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("photometric", [0, 1])
def test_white_is_zero(tmp_path, picture, photometric):
    wide = picture[..., 1].astype(np.uint16) * 257
    tiff(tmp_path / "a.tif", [wide if photometric else ~wide], photometric)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, wide)


def test_alpha_of_a_tiff_is_dropped(tmp_path, picture):
    alpha = np.linspace(0, 255, picture[..., 0].size).reshape(picture.shape[:2]).astype(np.uint8)
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, picture)


def damaged(path, picture, how):
    write_photo(path, picture)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    if how == "changed":
        data[middle : middle + 4] = bytes(byte ^ 0x55 for byte in data[middle : middle + 4])
    else:
        data[middle:] = bytes(len(data) - middle)
    path.write_bytes(data)


@pytest.mark.parametrize(("name", "how"), [("a.png", "changed"), ("a.png", "zeros"), ("a.jpg", "zeros")])
def test_damage_is_seen(tmp_path, picture, name, how):
    damaged(tmp_path / name, picture, how)
    with pytest.raises(InputError, match=rf"{name} is not .* damaged"):
        read_photo(tmp_path / name)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"comment": b"\xff\x00"}]
)
def test_sound_jpeg_passes(tmp_path, picture, options):
    Image.fromarray(picture).save(tmp_path / "a.jpg", **options)
    assert read_photo(tmp_path / "a.jpg").pixels.shape == SHAPE
    with (tmp_path / "a.jpg").open("ab") as file:
        file.write(b"\xff\xfe and a second picture behind it, as phones write them")
    assert read_photo(tmp_path / "a.jpg").pixels.shape == SHAPE


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_exif_text_comes_back_byte_for_byte(tmp_path, picture, suffix):
    artist = "Jürgen Ω".encode().decode("latin-1")  # as Pillow reads it
    write_photo(tmp_path / f"a{suffix}", picture, tags={315: artist, 0x8769: {0xA434: artist}})
    tags = read_photo(tmp_path / f"a{suffix}").tags
    assert tags[315] == artist
    assert tags[0x8769][0xA434] == artist
    write_photo(tmp_path / f"b{suffix}", picture, tags=tags)
    assert "Jürgen Ω".encode() in (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_tags_of_the_wrong_kind_are_left_out(tmp_path, picture, suffix):
    wrong = {282: b"no number", 271: "Maker", 0x8769: {0x829A: "soon", 0x8827: 200}, 0x8825: {2: "north"}}
    write_photo(tmp_path / f"a{suffix}", picture, tags=wrong)
    tags = read_photo(tmp_path / f"a{suffix}").tags
    assert tags[271] == "Maker"
    assert tags[0x8769][0x8827] == 200
    assert 282 not in tags or tags[282] != b"no number"


def test_the_longest_name(tmp_path, picture):
    path = tmp_path / ("n" * 251 + ".png")
    write_photo(path, picture)
    assert cv2.imread(str(path)).shape == SHAPE


def test_inputs_that_cannot_be_opened(tmp_path, picture):
    write_photo(tmp_path / "a.png", picture)
    write_photo(tmp_path / "out.png", picture)
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    for name in ("b.png", "x" * 300 + ".png"):
        result = streamfuse(
            "still", tmp_path / "a.png", tmp_path / name, "-o", tmp_path / "out.png", "--overwrite"
        )
        assert result.exit_code == 1
        assert name in result.stderr
        assert "Internal" not in result.stderr
        assert result.stderr.count("\n") == 1


def test_one_picture_is_no_list_of_pictures(picture):
    with pytest.raises(UsageError, match="list of pictures"):
        Fuser("fast", "cpu")(picture)
