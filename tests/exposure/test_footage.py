"""What is not one clean alternation comes through without a flash: titles, held frames, fades."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from footage import (
    COLOR,
    alternating,
    apart,
    dimmed,
    frames_of,
    fused,
    instants,
    means,
    oracle,
    ripple,
    title,
)

from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.frame import Frame
from streamfuse.exposure.classifier import ExposureClassifier
from streamfuse.exposure.fade import Fades, clipping_level, evenly_dimmed
from streamfuse.exposure.pair import Pairer
from streamfuse.runtime.line import Line, through

# The hour of day, gap and speed of the scenes differ. Where something else differs too, each has its turn: all of both
# take minutes.
CLIPS = ("seed=0", "seed=3&gap=4", "seed=7&gap=2")


def check(pictures, both, passed, start, clip_settings=None):
    """Fuse; `passed`: the runs of frames that stay; `start`: where the instants `both` begin in the pictures."""
    out, chain = fused(pictures, **(clip_settings or {}))
    assert [frame.index for frame in out] == list(range(len(pictures)))
    assert chain.front.pairer.unpaired == passed
    for first, last in passed:
        for at in range(first, last + 1):
            assert apart(out[at].planes, pictures[at]) == 0
    wanted = [oracle(chain, exposures) for exposures in both]
    made = [frame.planes for frame in out[start : start + len(both)]]
    assert ripple(made) <= max(1.5 * ripple(wanted), 0.15)
    assert max(abs(a - b) for a, b in zip(means(made), means(wanted), strict=True)) < 3
    return out, chain


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "background"), list(zip(CLIPS, [19, 110, 235], strict=True)))
def test_a_title_before_the_footage_passes_as_it_is(clip, background):
    both = instants(24, clip)
    _, chain = check([title(background)] * 12 + alternating(both), both, [(0, 11)], 12)
    assert chain.front.classifier.report.order == ("under", "over")
    assert chain.front.classifier.report.drops_detected == 0


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS[:2])
def test_a_title_after_the_footage_and_one_amid_it(clip):
    both = instants(24, clip)
    pictures = alternating(both)
    check(pictures + [title()] * 16, both, [(24, 39)], 0)
    check([*pictures[:12], *[title()] * 9, *pictures[12:]], both[:12], [(12, 20)], 0)


@pytest.mark.slow
def test_a_frame_that_is_held_at_the_end():
    both = instants(24)
    pictures = alternating(both)
    out, chain = fused(pictures + [pictures[-1]] * 16)
    assert chain.front.pairer.unpaired == [(24, 39)]
    assert apart(out[30].planes, pictures[-1]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "rank"), list(zip(CLIPS, [0, 1, 0], strict=True)))
def test_a_camera_that_settles_late(clip, rank):
    both = instants(24, clip)
    pictures = [exposures[rank] for exposures in both[:12]] + alternating(both)[12:]
    out, chain = fused(pictures)
    ((first, last),) = chain.front.pairer.unpaired
    assert first == 0
    assert last in (10, 11, 12)  # the last one of them may have a partner: the frame after it
    assert all(apart(out[at].planes, pictures[at]) == 0 for at in range(last + 1))
    wanted = [oracle(chain, exposures) for exposures in both[last + 1 :]]
    made = [frame.planes for frame in out[last + 1 :]]
    assert max(abs(a - b) for a, b in zip(means(made), means(wanted), strict=True)) < 3
    assert sorted(chain.front.classifier.report.order) == ["over", "under"]


@pytest.mark.slow
def test_a_long_title_is_read_through():
    both = instants(24)
    check([title()] * 100 + alternating(both), both, [(0, 99)], 100)


@pytest.mark.slow
def test_titles_at_half_rate_keep_the_rate():
    both = instants(24)
    out, chain = fused([title()] * 12 + alternating(both), rate="half")
    assert [frame.index for frame in out] == list(range(0, 36, 2))
    assert chain.front.pairer.unpaired == [(0, 10)]


def black():
    return dimmed(instants(24)[0][0], 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clip", "direction"), list(zip((*CLIPS, CLIPS[0]), ["in", "out", "in", "out"], strict=True))
)
def test_a_fade_looks_as_if_the_fused_film_had_been_faded(clip, direction):
    both = instants(24, clip)
    shares = [min(1, (n + 1) / 12) for n in range(24)]
    shares = shares if direction == "in" else shares[::-1]
    pictures = [dimmed(planes, share) for planes, share in zip(alternating(both), shares, strict=True)]
    pictures = [black()] * 8 + pictures if direction == "in" else pictures + [black()] * 8
    out, chain = fused(pictures)
    assert [frame.index for frame in out] == list(range(32))
    assert chain.front.classifier.report.disagreements == 0
    made = [frame.planes for frame in out][8:] if direction == "in" else [frame.planes for frame in out][:24]
    wanted = [dimmed(oracle(chain, exposures), share) for exposures, share in zip(both, shares, strict=True)]
    for share, one, other in zip(shares, made, wanted, strict=True):
        if share > 2 / 12:  # the darkest two have no level on both sides; where it begins they are a mean
            assert abs(one[0].astype(float) - other[0]).mean() < 4.5
            assert abs(float(one[0].mean()) - float(other[0].mean())) < 4.2
    assert ripple(made[2:-2]) <= max(1.5 * ripple(wanted[2:-2]), 0.2)


@pytest.mark.slow
def test_a_cross_fade_has_no_flash():
    one, other = instants(24), instants(24, "seed=5&gap=2.5")
    mixed = []
    for n, exposures in enumerate(zip(one, other, strict=True)):
        share = np.clip((n - 6) / 12, 0, 1)
        mixed.append(
            tuple(
                tuple(
                    np.rint(a * (1 - share) + b * share).astype(np.uint8) for a, b in zip(p, q, strict=True)
                )
                for p, q in zip(*exposures, strict=True)
            )
        )
    check(alternating(mixed), mixed, [], 0)


def test_what_does_not_fade_is_not_touched():
    fades = Fades()
    both = instants(8)
    brackets = list(
        through(Line("label", ExposureClassifier()).then("pair", Pairer()), frames_of(alternating(both)))
    )
    assert len(brackets) == 8
    assert all(fades.lift(bracket) is bracket for bracket in brackets)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 1.0])
def test_the_level_at_which_a_dimmed_frame_is_clipped(bits, share):
    rng = np.random.default_rng(0)
    linear = np.clip(rng.random((90, 160)) * 1.3, 0, 1) * share
    luma = np.rint((16 + 219 * linear) * (1 << (bits - 8)) + rng.normal(0, 0.5, linear.shape))
    luma = luma.astype(np.uint8 if bits == 8 else np.uint16)
    frame = Frame((luma,), bits, (0, 0), COLOR, 0, Fraction(1, 24), 0)
    assert clipping_level(frame) == pytest.approx(share, abs=0.006)
    shades = Frame(
        (np.rint(luma * 0.7 + rng.normal(0, 4 << (bits - 8), luma.shape)).astype(luma.dtype),),
        bits, (0, 0), COLOR, 0, Fraction(1, 24), 0,
    )  # fmt: skip
    assert clipping_level(shades) == 0


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS[1:])
def test_thirty_pictures_a_second_in_sixty_frames_are_fused_once(clip):
    both = instants(16, clip)
    out, chain = fused([planes for planes in alternating(both) for _ in range(2)])
    single, _ = fused(alternating(both))
    assert [(frame.index, frame.pts) for frame in out] == [(n, n) for n in range(32)]
    assert chain.front.classifier.report.drops_detected == 0
    for n, frame in enumerate(out):
        assert apart(frame.planes, single[n // 2].planes) == 0
    assert out[8].exposures == (6, 8, 10)


@pytest.mark.slow
def test_a_fade_of_pictures_whose_channels_are_clipped_apart():
    both = []
    for exposures in instants(24):
        # A warm light: red is clipped long before blue, and luma has no level of its own.
        warm = [planes_to_rgb(planes, 8, (1, 1), COLOR).astype(np.float32) for planes in exposures]
        warm = [np.clip(rgb * np.array([1.35, 0.95, 0.6], np.float32), 0, 255) for rgb in warm]
        both.append(
            tuple(
                rgb_to_planes(np.rint(rgb).astype(np.uint8), bits=8, subsampling=(1, 1), color=COLOR)
                for rgb in warm
            )
        )
    shares = [min(1, (n + 1) / 12) for n in range(24)]
    pictures = [dimmed(planes, share) for planes, share in zip(alternating(both), shares, strict=True)]
    out, chain = fused([black()] * 8 + pictures)
    made = [frame.planes for frame in out][8:]
    wanted = [dimmed(oracle(chain, exposures), share) for exposures, share in zip(both, shares, strict=True)]
    off = [abs(a - b) for a, b in zip(means(made), means(wanted), strict=True)]
    assert max(off[1:]) < 4
    assert ripple(made[1:]) <= max(
        1.6 * ripple(wanted[1:]), 0.2
    )  # filled channels cost a hundredth of a code


def test_only_what_is_dimmed_as_a_whole_is_a_fade():
    rng = np.random.default_rng(0)
    light = np.clip(rng.gamma(2.0, 0.15, (90, 160)), 0, 0.9)

    def frame_of(values, index):
        luma = np.rint(16 + 219 * values).astype(np.uint8)
        return Frame((luma,), 8, (0, 0), COLOR, index, Fraction(1, 24), index)

    shares = (0.4, 0.5, 0.6)
    levels = evenly_dimmed([frame_of(light * share, 2 * n) for n, share in enumerate(shares)])
    assert np.ptp([levels[2 * n] / share for n, share in enumerate(shares)]) < 0.04
    # A lamp that is turned up: what it lit at white stays at white.
    lamp = [frame_of(np.minimum(light * gain, 0.6), n) for n, gain in enumerate((1.0, 1.3, 1.6))]
    assert evenly_dimmed(lamp) == {}
    moved = [frame_of(light, 0), frame_of(np.where(np.arange(160) < 60, 0.85, light), 2)]
    assert evenly_dimmed(moved) == {}
