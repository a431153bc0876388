"""Pictures in ACEScct: known light comes back by the published formula, and the file says how it is coded."""

from __future__ import annotations

import colour
import cv2
import numpy as np
import pytest
from PIL import Image

from streamfuse.encode import log_picture
from streamfuse.errors import EncoderError, OutputError

PATCHES = np.array(
    [(1, 1, 1), (1, 0.05, 0.05), (0.05, 1, 0.05), (0.05, 0.05, 1), (0.4, 0.8, 0.2)], np.float32
)


def light():
    """Patches of every colour (rows) at 0.002 to 100 times diffuse white (columns)."""
    return PATCHES[:, None] * np.geomspace(0.002, 100, 40, dtype=np.float32)[None, :, None]


def decoded(path):
    """Linear R, G, B of BT.709, 1 = diffuse white, by the library colour-science."""
    codes = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert codes.dtype == np.uint16
    spaces = colour.RGB_COLOURSPACES
    back = colour.matrix_RGB_to_RGB(spaces["ACEScct"], spaces["ITU-R BT.709"], "Bradford")
    return colour.models.log_decoding_ACEScct(codes[..., ::-1] / 65535) @ back.T


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_light_comes_back(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    log_picture.write_log(path, light())
    np.testing.assert_allclose(decoded(path), light(), rtol=0.02)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_file_says_how_it_is_coded(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    log_picture.write_log(path, light())
    with Image.open(path) as picture:
        told = picture.info["Description"] if suffix == ".png" else picture.tag_v2[270]  # type: ignore[attr-defined]
    assert told.startswith("ACEScct") and "AP1" in told


def test_white_and_what_no_code_reaches(tmp_path):
    codes = log_picture.log_codes(np.array([[[1, 1, 1], [-1, -1, -1], [1e4, 1e4, 1e4]]], np.float32))
    assert codes[0, 0].tolist() == [round(65535 * 9.72 / 17.52)] * 3
    assert codes[0, 1:].tolist() == [[0] * 3, [65535] * 3]


def test_what_cannot_hold_it(tmp_path):
    with pytest.raises(EncoderError, match=r"name a \.tif or \.png"):
        log_picture.require_log(tmp_path / "a.jpg")
    with pytest.raises(OutputError):
        log_picture.write_log(tmp_path / "none" / "a.png", light())
