"""LUTs: that they do what the file says, and that a bad file is told in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.errors import InputNotFoundError, UsageError
from streamfuse.look.cube import Lut, read_cube
from streamfuse.look.look import Look
from streamfuse.look.stage import Grader

BT709, BT2020, BT601 = ColorInfo(1, 1, 1, False), ColorInfo(9, 9, 14, False), ColorInfo(6, 1, 1, True)


def write_cube(path, change, size=9, head=""):
    """A LUT of (r, g, b) -> change(r, g, b); red runs fastest."""
    axis = np.linspace(0, 1, size)
    entries = [change(r, g, b) for b in axis for g in axis for r in axis]
    rows = "\n".join(" ".join(f"{value:.6f}" for value in entry) for entry in entries)
    path.write_text(f'TITLE "made"\n# a remark\n{head}LUT_3D_SIZE {size}\n\n{rows}\n')
    return path


def colours(bits, subsampling, color):
    x, y = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 48))
    rgb = np.rint(np.stack([x, y, (1 - x) * 0.6 + 0.2], -1) * 65535).astype(np.uint16)
    return rgb_to_planes(rgb, bits=bits, subsampling=subsampling, color=color)


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize(
    ("subsampling", "color"),
    [((1, 1), BT709), ((1, 0), BT2020), ((0, 0), BT601)],
)
def test_the_identity_changes_nothing_but_the_last_code(tmp_path, bits, subsampling, color):
    path = write_cube(tmp_path / "identity.cube", lambda r, g, b: (r, g, b))
    planes = colours(bits, subsampling, color)
    out = Lut(path)(planes, bits, subsampling, color, bits)
    for before, after in zip(planes, out, strict=True):
        assert after.dtype == before.dtype
        # Chroma that is halved goes up and down again: smooth as it is, to within a code or two of 8 bit.
        assert np.abs(after.astype(int) - before)[1:-1, 2:-2].max() <= max(2, 3 << bits >> 8)


def test_channels_go_where_the_file_says(tmp_path):
    path = write_cube(tmp_path / "turn.cube", lambda r, g, b: (g, r, b / 2))
    rgb = np.tile(np.array([50000, 30000, 10000], np.uint16), (32, 32, 1))
    color = ColorInfo(6, 1, 1, True)
    planes = rgb_to_planes(rgb, bits=8, subsampling=(0, 0), color=color)
    found = planes_to_rgb(Lut(path)(planes, 8, (0, 0), color, 8), 8, (0, 0), color).mean(axis=(0, 1))
    assert found == pytest.approx(np.array([30000, 50000, 5000]) / 257, abs=1.5)


def test_a_curve_for_each_channel_is_taken_too(tmp_path):
    path = tmp_path / "curve.cube"
    path.write_text("LUT_1D_SIZE 3\n" + "".join(f"{v} {v} {v}\n" for v in (0.0, 0.25, 1.0)))
    grey = np.full((16, 16), 128, np.uint8)
    (out,) = Lut(path)((grey,), 8, (0, 0), ColorInfo(1, 1, 1, True), 8)
    assert out.mean() == pytest.approx(65, abs=1)


def test_it_comes_after_the_numbers_and_is_rounded_once(tmp_path):
    """Bright and then inverted: to the exact value in the mean, as one rounding by thresholds gives it."""
    path = write_cube(tmp_path / "invert.cube", lambda r, g, b: (1 - r, 1 - g, 1 - b), size=2)
    grey = np.full((64, 64), 100, np.uint8)
    look = Look(shadows=0.5)
    (bright,) = Grader(look)((grey,), 8, (0, 0), ColorInfo(1, 1, 1, True))
    (out,) = Grader(Look(shadows=0.5, lut=path))((grey,), 8, (0, 0), ColorInfo(1, 1, 1, True))
    assert out.mean() == pytest.approx(255 - bright.mean(), abs=0.1)


def test_a_large_photograph_is_the_same_in_parts(tmp_path, monkeypatch):
    path = write_cube(tmp_path / "warm.cube", lambda r, g, b: (r**0.9, g, b**1.2))
    color = ColorInfo(2, 2, 2, True)  # whose matrix depends on the height
    planes = colours(16, (0, 0), color)
    planes = tuple(np.vstack([plane] * 16) for plane in planes)  # 768 lines
    whole = Lut(path)(planes, 16, (0, 0), color, 16)
    monkeypatch.setattr("streamfuse.look.cube._PIXELS", 64 * 100)
    parts = Lut(path)(planes, 16, (0, 0), color, 16)
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "one LUT_3D_SIZE or LUT_1D_SIZE is needed"),
        ("\x00\x01\x02 \xff", "means nothing there"),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 7, "has 7 entries and its size needs 8: it is cut off"),
        ("LUT_3D_SIZE 2\n" + "0 0\n" * 8, "has to be three numbers"),
        ("LUT_3D_SIZE 2\n" + "0 0 nan\n" * 8, "means nothing there|three numbers"),
        ("LUT_3D_SIZE 2\n" + "0 0 1e99\n" * 8, "three numbers"),
        ("LUT_3D_SIZE 900\n0 0 0\n", "has the size '900' in line 1: it has to be 2 to 128"),
        ("LUT_3D_SIZE ten\n", "has the size 'ten'"),
        ("LUT_3D_SIZE 2\nLUT_1D_SIZE 2\n", "one LUT_3D_SIZE or LUT_1D_SIZE"),
        (
            "DOMAIN_MAX 4 4 4\nLUT_3D_SIZE 2\n" + "0 0 0\n" * 8,
            "made for values other than 0 to 1 .*'4 4 4' in line 1",
        ),
        ("DOMAIN_MIN a b c\nLUT_3D_SIZE 2\n" + "0 0 0\n" * 8, "made for values other than 0 to 1"),
    ],
)
def test_a_bad_file_is_told_in_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "bad.cube"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=sentence) as caught:
        read_cube(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_file_that_is_not_there_or_of_another_kind_is_told(tmp_path):
    with pytest.raises(InputNotFoundError, match=r"There is no LUT .*none.cube"):
        Lut(tmp_path / "none.cube")
    with pytest.raises(UsageError, match=r"ends in \.cube"):
        Lut(tmp_path / "grade.3dl")
    (tmp_path / "folder.cube").mkdir()
    with pytest.raises(UsageError, match="cannot be read as a LUT"):
        Lut(tmp_path / "folder.cube")


def test_the_default_domain_may_be_written_out(tmp_path):
    path = write_cube(
        tmp_path / "a.cube", lambda r, g, b: (r, g, b), 2, "DOMAIN_MIN 0 0 0\nDOMAIN_MAX 1.0 1.0 1.0\n"
    )
    assert (read_cube(path).kind, read_cube(path).size) == ("3D", 2)
