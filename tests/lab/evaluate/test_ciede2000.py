"""CIEDE2000 against pairs of the published table (Sharma, Wu, Dalal 2005, table 1)."""

import numpy as np
import pytest

from streamfuse.lab.evaluate.ciede2000 import ciede2000, srgb_to_lab

PAIRS = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),  # blue: the rotation term
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),  # one colour is grey: no hue
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),  # hues about 180 degrees apart, either side
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),  # near black
]


@pytest.mark.parametrize(("one", "other", "expected"), PAIRS)
def test_published_pairs(one, other, expected):
    assert ciede2000(one, other) == pytest.approx(expected, abs=1e-4)
    assert ciede2000(other, one) == pytest.approx(expected, abs=1e-4)


def test_takes_whole_pictures():
    one, other, expected = (np.array(column) for column in zip(*PAIRS, strict=True))
    np.testing.assert_allclose(
        ciede2000(one.reshape(3, 4, 3), other.reshape(3, 4, 3)).ravel(), expected, atol=1e-4
    )


def test_equal_colours_do_not_differ():
    colours = np.random.default_rng(0).uniform(-90, 90, (50, 3))
    assert (ciede2000(colours, colours) == 0).all()


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (100, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),  # sRGB red under D65, as colour tables give it
    ],
)
def test_srgb_to_lab(rgb, lab):
    np.testing.assert_allclose(srgb_to_lab(rgb), lab, atol=0.02)
