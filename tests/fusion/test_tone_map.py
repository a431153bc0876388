"""Radiance for ordinary screens: in the footage's own kind, rising, and calm."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from runs import SAMPLE, fuse, streamfuse

import streamfuse as api
from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import AlignedBracket, Bracket, Frame, Neighbours
from streamfuse.errors import UsageError
from streamfuse.fusion.tone_map import ToneMapStage, compressing

COLOR = ColorInfo(matrix=1, primaries=1, transfer=1)
GAP = 3.0


def exposed(radiance, ev, bits, subsampling):
    rgb = np.clip(radiance * 2.0**ev, 0, 1) ** (1 / 2.2)
    return rgb_to_planes(
        np.round(65535 * rgb).astype(np.uint16), bits=bits, subsampling=subsampling, color=COLOR
    )


def mapped(radiance, local, bits=10, subsampling=(1, 1)):
    """R'G'B' in [0, 1]."""
    taken = [exposed(radiance, ev, bits, subsampling) for ev in (0.0, GAP)]
    frames = [
        Frame(planes, bits, subsampling, COLOR, n, Fraction(1, 25), n) for n, planes in enumerate(taken)
    ]
    bracket = Bracket(frames[0], 0, 2, {1: Neighbours(frames[1], None)})
    (fused,) = ToneMapStage(local).push(AlignedBracket(bracket, tuple(taken), (0.0, GAP), (None, None)))
    assert (fused.bits, fused.subsampling, fused.color) == (bits, subsampling, COLOR)
    assert fused.luma.dtype == taken[0][0].dtype
    rgb = planes_to_rgb(fused.planes, bits, subsampling, COLOR)
    return rgb / np.iinfo(rgb.dtype).max


def ramp(height=96, width=320):
    return np.tile(np.exp2(np.linspace(-8, -0.02, width)), (height, 1))[..., None] * np.ones(3)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize(("bits", "subsampling"), [(8, (1, 1)), (10, (1, 1)), (10, (0, 0)), (12, (1, 0))])
def test_brighter_stays_brighter_up_to_white(local, bits, subsampling):
    line = mapped(ramp(), local, bits, subsampling)[48, :, 1]
    assert np.all(np.diff(line) > -0.012)
    assert 0.93 < line[-1] <= 1
    assert line[0] < 0.35


def test_below_the_knee_it_is_the_exposure_at_which_white_is_white():
    radiance = ramp()
    # The geometric mean, 2^-4, is that of a grey card if white is 1.5 EV below what the darkest exposure clips at.
    plain = np.clip(radiance * 2**1.5, 0, 1) ** (1 / 2.2)
    dark = plain < 0.55
    np.testing.assert_allclose(mapped(radiance, False, subsampling=(0, 0))[dark], plain[dark], atol=0.012)


def test_the_local_one_lifts_a_dark_half_and_keeps_its_detail():
    radiance = np.full((120, 320, 3), 0.4)
    radiance[:, :160] = 0.01
    radiance[::2] *= 1.2
    flat, local = mapped(radiance, False, subsampling=(0, 0)), mapped(radiance, True, subsampling=(0, 0))
    dark = np.s_[40:80, 20:120]
    assert np.median(local[dark]) > 1.2 * np.median(flat[dark])
    for picture in (flat, local):
        lines = (picture[dark] ** 2.2).mean(axis=(1, 2))
        assert lines[::2].mean() / lines[1::2].mean() == pytest.approx(1.2, rel=0.05)


def test_the_local_one_has_no_halo_at_an_edge():
    radiance = np.full((120, 320, 3), 0.4, np.float32)
    radiance[:, :160] = 0.01
    gain = compressing(radiance, 0.25)
    for side in (gain[:, :150], gain[:, 170:]):
        assert side.max() / side.min() < 1.25


@pytest.mark.parametrize("name", ["radiance", "radiance-local"])
def test_they_are_fusers_of_films(tmp_path, name):
    summary = fuse(SAMPLE, "-o", tmp_path / "a.mkv", "--fuser", name, "--preset", "fast", "--look", "vivid")
    assert (summary.fuser, summary.frames_out, summary.warnings) == (name, 8, [])
    darker = fuse(SAMPLE, "-o", tmp_path / "c.mkv", "--fuser", name, "--preset", "fast", "--white", "0")
    assert darker.frames_out == 8
    with av.open(str(tmp_path / "a.mkv")) as usual, av.open(str(tmp_path / "c.mkv")) as dark:
        means = [next(film.decode(video=0)).to_ndarray(format="gray").mean() for film in (usual, dark)]
    assert means[1] < 0.8 * means[0]
    result = streamfuse("batch", tmp_path / "a.mkv", "-o", tmp_path / "o", "--fuser", name, "--segments", "2")
    assert result.exit_code == 2 and "--white EV" in result.stderr
    picture = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(UsageError, match="streamfuse fuse"):
        api.fuse_pair(picture, picture, fuser=name)
    for refused in (("--side-by-side",), ("--deflicker", "on"), ("--dump-stages", str(tmp_path / "d"))):
        result = streamfuse("fuse", SAMPLE, "-o", tmp_path / "b.mkv", "--fuser", name, *refused)
        assert result.exit_code == 2 and refused[0] in result.stderr
