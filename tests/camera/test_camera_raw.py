"""Pictures from the bytes that a camera gives: raw pixel formats, and JPEG."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamfuse.camera.raw import JpegDecoder, raw_picture


@pytest.mark.parametrize("padding", [0, 16])
@pytest.mark.parametrize("name", ["GREY", "YUYV", "NV12", "YU12"])
def test_raw_formats(name, padding):
    random = np.random.default_rng(1)
    width, height = 8, 6
    line = width * (2 if name == "YUYV" else 1) + padding
    luma = random.integers(0, 256, (height, width), np.uint8)
    rows = height if name == "YUYV" else height // 2
    blue, red = random.integers(0, 256, (2, rows, width // 2), np.uint8)
    data = np.zeros((height, line), np.uint8)
    parts = [data]
    if name == "YUYV":
        data[:, : 2 * width : 2], data[:, 1 : 2 * width : 4], data[:, 3 : 2 * width : 4] = luma, blue, red
    else:
        data[:, :width] = luma
    if name == "NV12":
        pairs = np.zeros((rows, line), np.uint8)
        pairs[:, :width:2], pairs[:, 1:width:2] = blue, red
        parts.append(pairs)
    if name == "YU12":
        for plane in (blue, red):
            padded = np.zeros((rows, line // 2), np.uint8)
            padded[:, : width // 2] = plane
            parts.append(padded)
    whole = b"".join(part.tobytes() for part in parts)
    picture = raw_picture(whole, name, width, height, line)
    expected = (luma,) if name == "GREY" else (luma, blue, red)
    assert len(picture.planes) == len(expected)
    for plane, wanted in zip(picture.planes, expected, strict=True):
        np.testing.assert_array_equal(plane, wanted)
    assert raw_picture(whole[:-1], name, width, height, line) is None


def test_damaged_jpeg_is_left_out():
    _, good = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))
    decoder = JpegDecoder()
    assert decoder.decode(good.tobytes()).planes[0].shape == (48, 64)
    assert decoder.decode(b"no jpeg at all") is None
    assert decoder.decode(b"") is None
    assert decoder.decode(good.tobytes()).planes[0].shape == (48, 64)
