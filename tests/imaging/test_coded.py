"""Pictures come back from the bytes of a file, and what is none is told."""

from pathlib import Path

import numpy as np
import pytest

from streamfuse.errors import EncoderError, InputError
from streamfuse.imaging.coded import decoded, encoded, jpeg

PATH = Path("picture.png")


@pytest.mark.parametrize(
    ("kind", "dtype", "shape"),
    [
        (".png", np.uint8, (5, 7)),
        (".png", np.uint16, (5, 7, 3)),
        (".png", np.uint8, (5, 7, 4)),
        (".tif", np.uint16, (5, 7)),
    ],
)
def test_what_is_encoded_without_loss_comes_back(kind, dtype, shape):
    picture = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    back = decoded(encoded(kind, picture), PATH)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, picture)


def test_jpeg_comes_near_and_a_lower_quality_takes_less():
    picture = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (1, 64, 3))
    assert np.abs(decoded(jpeg(picture, 95), PATH).astype(int) - picture).mean() < 3
    assert len(jpeg(picture, 20)) < len(jpeg(picture, 95))


def test_what_cannot_be_is_told():
    with pytest.raises(EncoderError, match=r"encoded as \.jpg"):
        jpeg(np.zeros((1, 70_000, 3), np.uint8), 80)
    assert decoded(b"no picture", PATH) is None
    assert decoded(b"", PATH) is None
    with pytest.raises(InputError, match=r"picture\.png holds float32"):
        decoded(encoded(".hdr", np.ones((4, 4, 3), np.float32)), PATH)
