"""ACEScct and AP1 are those of the library colour-science, and grey stays grey."""

from __future__ import annotations

import colour
import numpy as np
import pytest

from streamfuse.imaging import aces
from streamfuse.imaging.hdr_transfer import BT709, BT2020


def test_the_curve_is_that_of_the_library():
    light = np.exp2(np.linspace(-16, 7.7, 2000)).astype(np.float32)
    found = aces.acescct_encode(light)
    np.testing.assert_allclose(found, colour.models.log_encoding_ACEScct(light.astype(np.float64)), atol=3e-6)
    assert aces.acescct_encode(np.zeros(1, np.float32))[0] == pytest.approx(0.0729055341958355)


@pytest.mark.parametrize(("primaries", "name"), [(BT709, "ITU-R BT.709"), (BT2020, "ITU-R BT.2020")])
def test_primaries_are_brought_to_ap1(primaries, name):
    spaces = colour.RGB_COLOURSPACES
    wanted = colour.matrix_RGB_to_RGB(spaces[name], spaces["ACEScct"], "Bradford")
    np.testing.assert_allclose(aces.to_ap1(primaries), wanted, atol=2e-4)
    np.testing.assert_allclose(aces.to_ap1(primaries).sum(axis=1), 1.0, atol=1e-9)
