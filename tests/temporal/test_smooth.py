"""What alternates with the frames is gone; everything else stays, and is let go where the motion is not sure."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from at_once import at_once

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import AlignedBracket, Bracket, Frame, FusionMaps, Neighbours, WeighedBracket
from streamfuse.temporal.smooth import Smoother

SIZE, MAP = (64, 96), (16, 24)
STILL = np.zeros((32, 48, 2), np.float32)


def instant(index, maps, before=STILL, after=STILL, luma=None):
    planes = (np.zeros(SIZE, np.uint8) if luma is None else luma,)
    frame = Frame(planes, 8, (0, 0), ColorInfo(), index, Fraction(1, 25), index)
    bracket = Bracket(frame, index % 2, 2, {1 - index % 2: Neighbours(frame, None)})
    aligned = AlignedBracket(bracket, (planes, planes), (0.0, 3.0), (None, None), before, after)
    return WeighedBracket(aligned, maps)


def maps_of(dark, gain=1.0, coverage=(1.0, 1.0)):
    """Maps whose first exposure has the weights `dark`, (h, w) or a number."""
    prior = np.broadcast_to(np.float32(dark), MAP)
    base = np.ascontiguousarray(prior[::4, ::4])
    priors = tuple(np.stack([p, 1 - p]).astype(np.float32) for p in (prior, base))
    return FusionMaps(priors, (np.full(MAP, gain, np.float32),), coverage)


def smoothed(instants):
    smoother = Smoother()
    out = [result for item in instants for result in smoother.push(item)]
    return [*out, *smoother.flush()]


def dark_weights(results):
    return [r.maps.priors[0][0] for r in results]


def random_maps(seed):
    rng = np.random.default_rng(seed)
    return maps_of(rng.random(MAP, np.float32), rng.uniform(0.5, 1.5))


def test_an_alternating_component_is_removed_exactly():
    results = smoothed(
        instant(t, maps_of(0.75 if t % 2 else 0.25, 1.25 if t % 2 else 0.75)) for t in range(8)
    )
    for result in results[1:]:  # up to the end; the first instant cannot know
        for prior in result.maps.priors:
            np.testing.assert_allclose(prior, 0.5, atol=1e-6)
        np.testing.assert_allclose(result.maps.gains[0], 1.0, atol=1e-6)


def test_so_is_one_that_differs_from_place_to_place():
    slope = np.linspace(0.2, 0.8, MAP[1])
    results = smoothed(instant(t, maps_of(slope if t % 2 else slope[::-1])) for t in range(6))
    for result in results[1:]:
        np.testing.assert_allclose(result.maps.priors[0][0][:, 4:-4], 0.5, atol=1e-3)


def test_what_the_whole_picture_does_is_removed_where_each_place_does_something_else():
    rng = np.random.default_rng(0)

    def at(t):  # 0.02 that alternates in noise that does not
        return instant(t, maps_of(0.5 + (0.02 if t % 2 else -0.02) + rng.uniform(-0.2, 0.2, MAP)))

    means = [float(weights.mean()) for weights in dark_weights(smoothed(at(t) for t in range(16)))]
    steps = np.abs(np.diff(means))
    assert steps[:3].mean() > 1.5 * steps[6:].mean()


def test_what_changes_once_or_for_one_instant_passes():
    for levels in (
        (0.2, 0.2, 0.2, 0.8, 0.8, 0.8),
        (0.2, 0.2, 0.2, 0.8, 0.2, 0.2),
        (0.3, 0.5, 0.4, 0.6, 0.7, 0.6),
    ):
        weights = dark_weights(smoothed(instant(t, maps_of(level)) for t, level in enumerate(levels)))
        np.testing.assert_allclose([float(w.mean()) for w in weights[:3]], levels[:3], atol=0.051)
        if levels[0] == 0.2:
            np.testing.assert_allclose([float(w.mean()) for w in weights], levels, atol=1e-6)


def test_where_the_pictures_disagree_along_the_motion_smoothing_lets_go():
    def at(t):  # what is on the left follows the flow, what is on the right does not
        luma = np.full(SIZE, 90, np.uint8)
        luma[:, 48:] = 60 if t % 2 else 160
        return instant(t, maps_of(0.75 if t % 2 else 0.25), luma=luma)

    for t, weights in enumerate(dark_weights(smoothed(at(t) for t in range(6)))):
        if t > 0:
            np.testing.assert_allclose(weights[:, :8], 0.5, atol=1e-6)
            np.testing.assert_allclose(weights[:, 15:], 0.75 if t % 2 else 0.25, atol=1e-6)


def test_exposures_of_a_longer_cycle_do_not_wait_for_proof():
    def at(t):
        item = instant(t, maps_of((0.2, 0.5, 0.8)[t % 3]))
        aligned = item.aligned
        return replace(item, aligned=replace(aligned, bracket=replace(aligned.bracket, cycle=3)))

    weights = [float(w.mean()) for w in dark_weights(smoothed(at(t) for t in range(9)))]
    assert max(weights[1:-1]) - min(weights[1:-1]) < 0.4


def test_a_static_sequence_is_unchanged():
    maps = random_maps(3)
    for result in smoothed(instant(t, maps) for t in range(5)):
        for mine, own in zip(
            (*result.maps.priors, *result.maps.gains), (*maps.priors, *maps.gains), strict=True
        ):
            np.testing.assert_allclose(mine, own, atol=1e-6)


def test_slow_changes_pass():
    weights = dark_weights(smoothed(instant(t, maps_of(0.1 * t)) for t in range(9)))
    np.testing.assert_allclose([float(w.mean()) for w in weights[1:-1]], 0.1 * np.arange(1, 8), atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_as_many_come_out_as_went_in_and_in_order(count):
    results = smoothed(instant(t, random_maps(t)) for t in range(count))
    assert [r.aligned.bracket.reference.index for r in results] == list(range(count))


def test_results_come_one_instant_late():
    smoother = Smoother()
    given = [len(list(smoother.push(instant(t, random_maps(t))))) for t in range(4)]
    assert given == [0, 1, 1, 1]
    assert len(list(smoother.flush())) == Smoother.delay == 1


def test_what_is_two_instants_away_changes_nothing():
    plain = smoothed(instant(t, random_maps(t)) for t in range(7))
    changed = smoothed(instant(t, random_maps(99 if t == 5 else t)) for t in range(7))
    equal = [np.array_equal(a, b) for a, b in zip(dark_weights(plain), dark_weights(changed), strict=True)]
    assert equal == [True, True, True, True, False, False, False]


def test_a_segment_is_identical_to_the_same_part_of_the_whole():
    whole = smoothed(instant(t, random_maps(t)) for t in range(20))
    segment = smoothed(instant(t, random_maps(t)) for t in range(2, 18))
    for a, b in zip(whole[10:17], segment[8:15], strict=True):
        for mine, other in zip(a.maps.priors, b.maps.priors, strict=True):
            np.testing.assert_array_equal(mine, other)


def moving(t, coverage=(1.0, 1.0)):
    """A blob that moves 2 map pixels to the right at each instant, above and below 0.5 in turn."""
    x = np.arange(MAP[1]) * coverage[1]
    row = np.exp(-(((x - (4 + 2 * t) * coverage[1]) / (3 * coverage[1])) ** 2))
    return np.tile(0.5 + (0.3 if t % 2 else -0.3) * row, (MAP[0], 1))


def contrast(weights):
    """How far weights are from 0.5, away from the border."""
    return float(np.abs(weights[:, 3:-3] - 0.5).max())


def test_maps_move_with_the_picture():
    # flow fields have twice the maps' resolution: 4 of their pixels are 2 of the maps'
    forth, back = STILL.copy(), STILL.copy()
    forth[..., 0], back[..., 0] = 4, -4
    followed = dark_weights(smoothed(instant(t, maps_of(moving(t)), back, forth) for t in range(6)))
    ignored = dark_weights(smoothed(instant(t, maps_of(moving(t))) for t in range(6)))
    for t in range(2, 5):
        assert contrast(followed[t]) < 0.1
        assert contrast(ignored[t]) > 0.15


def test_flow_of_the_picture_fits_maps_of_a_padded_picture():
    # maps span 1.5 times the columns, so a map pixel is 1.5 times as wide: 6 flow pixels are 2 of the maps'
    forth, back = STILL.copy(), STILL.copy()
    forth[..., 0], back[..., 0] = 6, -6
    coverage = (1.0, 1.5)
    followed = dark_weights(
        smoothed(instant(t, maps_of(moving(t), 1, coverage), back, forth) for t in range(6))
    )
    assert contrast(followed[2]) < 0.1


def test_nothing_passes_a_cut():
    def at(t):  # the scene changes between 2 and 3
        return instant(
            t, maps_of(0.2 if t < 3 else 0.9), None if t == 3 else STILL, None if t == 2 else STILL
        )

    weights = [float(w.mean()) for w in dark_weights(smoothed(at(t) for t in range(6)))]
    np.testing.assert_allclose(weights, [0.2] * 3 + [0.9] * 3, atol=1e-6)


def test_alternation_is_removed_right_up_to_a_cut():
    def at(t):
        value = 0.75 if t % 2 else 0.25
        return instant(t, maps_of(value), None if t == 3 else STILL, None if t == 2 else STILL)

    for t, weights in enumerate(dark_weights(smoothed(at(t) for t in range(6)))):
        if t not in (0, 3):  # the first instant of a shot cannot know
            np.testing.assert_allclose(weights, 0.5, atol=1e-6)


def test_an_instant_alone_stays_as_it_is():
    maps = random_maps(5)
    (result,) = smoothed([instant(0, maps, None, None)])
    assert result.maps is maps


def test_weights_stay_weights_and_inputs_stay_as_they_are():
    inputs = [random_maps(t) for t in range(5)]
    copies = [m.priors[0].copy() for m in inputs]
    shift = np.full_like(STILL, 1.7)
    for result in smoothed(instant(t, m, -shift, shift) for t, m in enumerate(inputs)):
        for prior in result.maps.priors:
            np.testing.assert_allclose(prior.sum(axis=0), 1, atol=1e-5)
            assert prior.min() >= 0
    for maps, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(maps.priors[0], copy)


def test_without_looking_ahead_each_instant_comes_at_once_and_nothing_alternates():
    smoother = Smoother(ahead=False)
    for t in range(8):
        (result,) = smoother.push(instant(t, maps_of(0.75 if t % 2 else 0.25)))
        assert result.aligned.bracket.reference.index == t
        if t > 1:  # it has alternated twice
            for prior in result.maps.priors:
                np.testing.assert_allclose(prior, 0.5, atol=1e-6)
    assert list(smoother.flush()) == []


def test_without_looking_ahead_no_later_instant_counts():
    maps = [random_maps(t) for t in range(4)]
    others = [*maps[:3], random_maps(99)]

    def weights(sequence):
        smoother = Smoother(ahead=False)
        return dark_weights([r for t, m in enumerate(sequence) for r in smoother.push(instant(t, m))])

    for one, other in zip(weights(maps)[:3], weights(others)[:3], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ahead", [True, False])
def test_instants_that_are_worked_on_at_once_come_out_as_one_by_one(ahead):
    rng = np.random.default_rng(4)
    items = [instant(t, maps_of(rng.uniform(0.3, 0.5, MAP) + 0.2 * (t % 2))) for t in range(9)]
    smoother = Smoother(ahead)
    one_by_one = [result for item in items for result in smoother.push(item)]
    one_by_one += smoother.flush()
    for mine, wanted in zip(at_once(Smoother(ahead), items), one_by_one, strict=True):
        assert mine.aligned is wanted.aligned
        for one, other in zip(mine.maps.priors, wanted.maps.priors, strict=True):
            np.testing.assert_array_equal(one, other)
