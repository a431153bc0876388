"""What is not one clean alternation comes through without a flash: titles, held frames, fades."""

from __future__ import annotations

import pytest
from footage import alternating, apart, fused, instants, means, oracle, ripple, title

# The hour of day, gap and speed of the scenes differ.
CLIPS = ("seed=0", "seed=3&gap=4", "seed=7&gap=2")


def check(pictures, both, passed, start, clip_settings=None):
    """Fuse; `passed`: the runs of frames that stay; `start`: where the instants `both` begin in the pictures."""
    out, chain = fused(pictures, **(clip_settings or {}))
    assert [frame.index for frame in out] == list(range(len(pictures)))
    assert chain.pairer.unpaired == passed
    for first, last in passed:
        for at in range(first, last + 1):
            assert apart(out[at].planes, pictures[at]) == 0
    wanted = [oracle(chain, exposures) for exposures in both]
    made = [frame.planes for frame in out[start : start + len(both)]]
    assert ripple(made) <= max(1.5 * ripple(wanted), 0.15)
    assert max(abs(a - b) for a, b in zip(means(made), means(wanted), strict=True)) < 3
    return out, chain


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("background", [19, 110, 235])
def test_a_title_before_the_footage_passes_as_it_is(clip, background):
    both = instants(24, clip)
    _, chain = check([title(background)] * 12 + alternating(both), both, [(0, 11)], 12)
    assert chain.labeller.report.order == ("under", "over")
    assert chain.labeller.report.drops_detected == 0


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
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
    assert chain.pairer.unpaired == [(24, 39)]
    assert apart(out[30].planes, pictures[-1]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_camera_that_settles_late(clip, rank):
    both = instants(24, clip)
    pictures = [exposures[rank] for exposures in both[:12]] + alternating(both)[12:]
    out, chain = fused(pictures)
    ((first, last),) = chain.pairer.unpaired
    assert first == 0
    assert last in (10, 11, 12)  # the last one of them may have a partner: the frame after it
    assert all(apart(out[at].planes, pictures[at]) == 0 for at in range(last + 1))
    wanted = [oracle(chain, exposures) for exposures in both[last + 1 :]]
    made = [frame.planes for frame in out[last + 1 :]]
    assert max(abs(a - b) for a, b in zip(means(made), means(wanted), strict=True)) < 3
    assert sorted(chain.labeller.report.order) == ["over", "under"]


@pytest.mark.slow
def test_a_long_title_is_read_through():
    both = instants(24)
    check([title()] * 100 + alternating(both), both, [(0, 99)], 100)


@pytest.mark.slow
def test_titles_at_half_rate_keep_the_rate():
    both = instants(24)
    out, chain = fused([title()] * 12 + alternating(both), rate="half")
    assert [frame.index for frame in out] == list(range(0, 36, 2))
    assert chain.pairer.unpaired == [(0, 10)]
