"""Two cameras that did not begin together: found by what moves before both, and only where it is proven."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from clips import make_clip

from streamfuse.capture.camera_offset import find_offset
from streamfuse.capture.per_exposure import PerExposureSource
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame
from streamfuse.core.protocols import Source, SourceInfo
from streamfuse.runtime.sources import open_source

PERIOD = Fraction(1, 25)
COLOR = ColorInfo(1, 1, 1, True)
SIZE = (160, 96)


def scene(count, seed=0, moving=True):
    """Light of a scene in which discs go their ways, none of them evenly."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float64)
    places = rng.uniform(0, 1, (6, 2)) * SIZE
    steps = rng.normal(0, 3, (6, 2))
    ground = 0.1 + 0.06 * np.sin(x / 9) * np.sin(y / 7)
    out = []
    for _ in range(count):
        light = ground.copy()
        for number, (column, row) in enumerate(places):
            light[np.hypot(x - column, y - row) < 12] = 0.03 * (number + 2)
        out.append(light)
        if moving:
            steps = 0.9 * steps + rng.normal(0, 1.5, (6, 2))
            places = (places + steps) % SIZE
    return out


class Film(Source):
    """A camera of one exposure; what it saw from `begin` on."""

    def __init__(self, lights, gain, *, begin=0, clock=0, lost=(), noise=1e-3, seed=1):
        self.info = SourceInfo(
            f"gain {gain}", *SIZE, 8, (0, 0), COLOR, PERIOD, 1 / PERIOD, len(lights) - begin
        )
        self._made = (lights, gain, begin, clock, lost, noise, seed)

    def __iter__(self):
        lights, gain, begin, clock, lost, noise, seed = self._made
        rng = np.random.default_rng(seed)
        for number, light in enumerate(lights[begin:]):
            seen = np.clip(light * gain + rng.normal(0, noise, light.shape), 0, 1) ** (1 / 2.2)
            if number not in lost:
                luma = np.rint(255 * seen).astype(np.uint8)
                yield Frame((luma,), 8, (0, 0), COLOR, clock + number, PERIOD, begin + number)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize("later", [0, 1, 7, 30, -5])
@pytest.mark.parametrize("gains", [(0.5, 4.0), (4.0, 0.5), (1.0, 1.0)])
def test_an_offset_is_found_whatever_the_exposures(later, gains):
    lights = scene(110)
    one = Film(lights, gains[0], begin=max(0, -later), seed=1)
    other = Film(lights, gains[1], begin=max(0, later), seed=2)
    found = find_offset(one, other, PERIOD)
    assert found is not None
    assert found.seconds == later * PERIOD
    assert found.likeness > 0.4


def test_clocks_and_lost_frames_are_allowed_for():
    lights = scene(110)
    one = Film(lights, 0.5, clock=1000, lost=(3, 20, 21))
    found = find_offset(one, Film(lights, 4.0, begin=6, clock=40, lost=(0, 7)), PERIOD)
    assert found is not None
    # The first that the other gives is its second.
    assert found.seconds == (1000 + 6 - 40) * PERIOD


@pytest.mark.parametrize("case", ["still", "another scene", "short", "to and fro"])
def test_what_is_not_proven_is_not_said(case):
    lights = scene(80)
    other = Film(lights, 4.0, begin=4)
    if case == "still":
        lights = scene(80, moving=False)
        other = Film(lights, 4.0, begin=4, seed=5)
    if case == "another scene":
        other = Film(scene(80, seed=9), 4.0)
    if case == "short":
        lights = lights[:12]
        other = Film(lights, 4.0, begin=4)
    if case == "to and fro":
        lights = [*lights[:8], *lights[7::-1]] * 5
        other = Film(lights, 4.0, begin=4)
    assert find_offset(Film(lights, 0.5), other, PERIOD) is None


def joined(one, other, offset=None, again=True):
    films = [Film(**one), Film(**other)]
    openers = [lambda made=made: Film(**made) for made in (one, other)] if again else ()
    source = PerExposureSource(films, offset, openers)
    frames = list(source)
    return source, [(a.index, b.index) for a, b in zip(frames[::2], frames[1::2], strict=True)], frames


def test_films_are_joined_by_it_and_it_is_said():
    lights = scene(100)
    one, other = {"lights": lights, "gain": 0.5}, {"lights": lights, "gain": 4.0, "begin": 7}
    source, _, frames = joined(one, other)
    assert source.offset == pytest.approx(0.28)
    assert len(frames) == 2 * 93
    assert source.left_over == 7
    (note,) = source.report().notes
    assert "gain 4.0 began 0.280 s later than gain 0.5" in note
    assert "correlation 0." in note
    dark, bright = (np.stack([frame.luma[::8, ::8] for frame in frames[n::2]]).astype(float) for n in (0, 1))
    usable = (dark > 30) & (bright < 240)
    # One instant: where neither is clipped the ratio of the codes is that of the exposures.
    assert np.abs(np.log2(bright[usable] / dark[usable]) - 3 / 2.2).mean() < 0.15


def test_an_offset_that_is_given_wins_and_one_clock_is_left_alone():
    lights = scene(100)
    one, other = {"lights": lights, "gain": 0.5}, {"lights": lights, "gain": 4.0, "begin": 7}
    source, _, frames = joined(one, other, offset=0.0)
    assert (source.offset, source.report().notes, len(frames)) == (0.0, (), 2 * 93)
    source, _, frames = joined(one, {**other, "begin": 0})
    assert (source.offset, source.report().notes, len(frames)) == (None, (), 200)
    still = scene(100, moving=False)
    source, _, frames = joined({**one, "lights": still}, {**other, "lights": still})
    assert (source.offset, source.report().notes) == (None, ())


def test_files_are_looked_at_again(tmp_path):
    make_clip(tmp_path / "a.mkv", 30)
    make_clip(tmp_path / "b.mkv", 30)
    with open_source([tmp_path / "a.mkv", tmp_path / "b.mkv"]) as source:
        # Noise that is the same in both: nothing to move.
        assert len(list(source)) == 60
        assert source.report().notes == ()


def test_an_even_pan_before_cameras_that_are_framed_differently_is_no_proof():
    rng = np.random.default_rng(3)
    wide = np.repeat(np.repeat(rng.uniform(0.02, 0.2, (12, 60)), 8, axis=0), 8, axis=1)
    pan = [wide[:, 2 * n : 2 * n + SIZE[0]] for n in range(80)]
    beside = [wide[:, 2 * n + 8 : 2 * n + 8 + SIZE[0]] for n in range(80)]  # as if it were 4 frames later
    assert find_offset(Film(pan, 0.5), Film(beside, 4.0), PERIOD) is None
