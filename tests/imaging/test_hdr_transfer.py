"""PQ, HLG, the roll-off and primaries: fixed points of the standards, and what holds for any value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.imaging import hdr_transfer as hdr

SIGNALS = st.floats(0, 1)


@pytest.mark.parametrize(
    ("nits", "signal"),
    # ITU-R BT.2408 tables 1 and 2, to what they print; and both ends
    [(0, 0.0), (100, 0.508), (203, 0.581), (1000, 0.752), (4000, 0.903), (10_000, 1.0)],
)
def test_pq_has_the_levels_of_the_standard(nits, signal):
    assert hdr.pq_encode(np.array(float(nits))) == pytest.approx(signal, abs=6e-4)


@pytest.mark.parametrize(("light", "signal"), [(0.0, 0.0), (1 / 12, 0.5), (1.0, 1.0)])
def test_hlg_has_the_levels_of_the_standard(light, signal):
    assert hdr.hlg_encode(np.array(light)) == pytest.approx(signal, abs=1e-6)


def test_diffuse_white_in_hlg_is_203_nits_on_a_display_of_1000():
    assert pytest.approx(hdr.REFERENCE_WHITE, rel=2e-3) == 1000 * hdr.HLG_WHITE**1.2  # the OOTF of BT.2100


@given(SIGNALS)
def test_pq_and_hlg_are_undone(signal):
    value = np.array(signal)
    assert hdr.pq_encode(hdr.pq_decode(value)) == pytest.approx(signal, abs=1e-6)
    assert hdr.hlg_encode(hdr.hlg_decode(value)) == pytest.approx(signal, abs=1e-6)


@given(st.floats(203, 10_000), st.floats(1, 4), SIGNALS, SIGNALS)
def test_the_roll_off_rises_to_the_peak_and_leaves_what_is_below_its_knee(peak, times, one, other):
    source = min(peak * times, 10_000.0)
    low, high = (hdr.rolled_off(np.array(part * source), source, peak) for part in sorted((one, other)))
    assert low <= high * (1 + 1e-9)
    assert high <= peak * (1 + 1e-6)
    assert hdr.rolled_off(np.array(source), source, peak) == pytest.approx(min(source, peak), rel=1e-6)
    top = float(hdr.pq_encode(np.array(source)))
    knee = 1.5 * float(hdr.pq_encode(np.array(peak))) / top - 0.5  # BT.2390, of the source's signal
    below = float(hdr.pq_decode(np.array(max(knee, 0.0) * top))) * 0.999
    assert hdr.rolled_off(np.array(below), source, peak) == pytest.approx(below, rel=1e-6)


def test_bt709_in_bt2020_is_the_matrix_of_bt2087():
    found = hdr.between_primaries(hdr.BT709, hdr.BT2020)
    expected = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    np.testing.assert_allclose(found, expected, atol=6e-5)


@pytest.mark.parametrize("primaries", sorted(hdr.CHROMATICITIES))
def test_white_stays_white(primaries):
    np.testing.assert_allclose(hdr.between_primaries(primaries, hdr.BT2020) @ np.ones(3), 1, atol=1e-9)
