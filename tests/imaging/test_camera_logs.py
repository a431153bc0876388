"""Camera logs: the values that their makers print, and an independent library."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from streamfuse.imaging import camera_logs as logs
from streamfuse.imaging import hdr_transfer as hdr

# Code value of 10 bit for black, an 18 % grey card and a 90 % white one, by the documents that the module names.
PRINTED = {
    "slog3": (95, 420, 598),
    "vlog": (128, 433, 602),
    "flog2": (95, 400, 570),
    "dlog": (95, 408, 586),
    "clog3": (128, 351, 577),
    "logc3": (95, 400, 572),
    "logc4": (95, 285),
}
OTHERS = {
    "slog3": "S-Log3", "vlog": "V-Log", "flog2": "F-Log2", "dlog": "D-Log", "clog3": "Canon Log 3",
    "logc3": "ARRI LogC3", "logc4": "ARRI LogC4",
}  # fmt: skip
GAMUTS = {
    "slog3": "S-Gamut3.Cine", "vlog": "V-Gamut", "flog2": "F-Gamut", "dlog": "DJI D-Gamut", "clog3": "Cinema Gamut",
    "logc3": "ARRI Wide Gamut 3", "logc4": "ARRI Wide Gamut 4",
}  # fmt: skip


@pytest.fixture(scope="module")
def colour():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("colour")


@pytest.mark.parametrize("name", PRINTED)
def test_cards_have_the_code_values_that_the_maker_prints(name):
    light = logs.CURVES[name].decode(np.array(PRINTED[name]) / 1023)
    step = logs.CURVES[name].decode((np.array(PRINTED[name]) + 1) / 1023) - light  # they are rounded
    assert np.all(np.abs(light - np.array((0.0, 0.18, 0.9))[: len(light)]) <= step)


@pytest.mark.parametrize("name", PRINTED)
def test_another_library_says_the_same(colour, name):
    signal = np.linspace(0.1, 1, 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = colour.log_decoding(signal, function=OTHERS[name])
        primaries = colour.RGB_COLOURSPACES[GAMUTS[name]].primaries
    np.testing.assert_allclose(logs.CURVES[name].decode(signal), expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(hdr.CHROMATICITIES[logs.CURVES[name].primaries], primaries, atol=1e-9)


@pytest.mark.parametrize("name", logs.CURVES)
def test_they_rise(name):
    assert np.all(np.diff(logs.CURVES[name].decode(np.linspace(0, 1, 4096))) >= 0)
    assert logs.CURVES[name].decode(np.array(1.0)) > 0.9


@pytest.mark.parametrize(("name", "signal"), [("hlg", 0.75), ("pq", 0.5807)])
def test_diffuse_white_of_hlg_and_pq_is_one(name, signal):
    assert logs.CURVES[name].decode(np.array(signal)) == pytest.approx(1, rel=2e-3)
