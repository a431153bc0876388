"""The preset that is chosen while a run goes on."""

import pytest

from streamfuse.runtime.live.governor import Governor, Load, LoadMeter
from streamfuse.runtime.live.lanes import Cost

RATE, CPUS = 30.0, 2
COSTS = {"fast": Cost(0.015, 0.03), "balanced": Cost(0.06, 0.15), "best": Cost(0.3, 0.6)}
QUICK = {"fast": Cost(0.002, 0.003), "balanced": Cost(0.005, 0.01), "best": Cost(0.01, 0.02)}


def governor(costs=COSTS, **options):
    return Governor(costs, RATE, CPUS, **options)


def load(dropped=0.0, busy=0.5, seconds=3.0, rate=RATE, used=0.0):
    arrived = round(rate * seconds)
    return Load(seconds, arrived, round(dropped * arrived), busy, used)


def chosen(governor):
    return governor.gear.rung, governor.gear.thinned


def until_a_change(governor, window):
    """How many such windows it takes, and the sentence."""
    for count in range(1, 10_000):
        if (sentence := governor.judge(window)) is not None:
            return count, sentence
    raise AssertionError("nothing was changed")


@pytest.mark.parametrize(
    ("costs", "preset"),
    [
        (COSTS, "fast"),  # two thirds of a processor for `fast`; `balanced` would take four of the two
        (QUICK, "best"),
        ({**QUICK, "best": Cost(0.03, 0.05)}, "balanced"),
        ({"fast": Cost(0.1, 0.2)}, "fast"),  # nothing holds: it begins with every frame all the same
        ({"best": Cost(0.1, 0.2)}, "best"),  # the only one that is wanted
    ],
)
def test_it_begins_with_what_surely_holds(costs, preset):
    assert chosen(governor(costs)) == (preset, False)


def test_the_number_of_processors_counts():
    costs = {"fast": Cost(0.001, 0.002), "balanced": Cost(0.012, 0.1)}
    assert Governor(costs, RATE, 2).gear.rung == "fast"  # type: ignore[arg-type]
    assert Governor(costs, RATE, 16).gear.rung == "balanced"  # type: ignore[arg-type]


def test_what_keeps_up_stays():
    one = governor()
    assert [one.judge(load()) for _ in range(100)] == [None] * 100
    assert chosen(one) == ("fast", False)


def test_far_too_slow_is_seen_at_once_and_said():
    one = governor(QUICK)
    sentence = one.judge(load(dropped=0.8, busy=0.07))
    assert (
        sentence
        == "The preset best holds 6.0 of 30.0 frames per second here: going on with the preset balanced."
    )
    assert chosen(one) == ("balanced", False)


def test_a_machine_that_is_much_busier_skips_what_cannot_hold_either():
    one = governor({**QUICK, "balanced": Cost(0.009, 0.019)})
    # The slowest stage takes eight times as long as it did: so would that of `balanced`.
    sentence = one.judge(Load(3.0, 90, 60, 8 * 0.01 * 10, 0.0))
    assert "going on with the preset fast" in sentence


def test_a_little_too_slow_has_to_be_so_twice():
    one = governor(QUICK)
    assert one.judge(load(dropped=0.2)) is None
    assert one.judge(load(busy=1.0)) is None
    assert one.judge(load(dropped=0.2)) is None
    assert "balanced" in one.judge(load(dropped=0.2))


def test_a_few_drops_are_no_reason():
    one = governor(QUICK)
    assert all(one.judge(load(dropped=0.03, busy=1.0)) is None for _ in range(20))


def test_below_the_fastest_preset_one_frame_of_each_bracket_is_left():
    one = governor()
    _, sentence = until_a_change(one, load(dropped=0.3, busy=1.0))
    assert sentence.startswith(
        "Even the preset fast holds 21.0 of 30.0 frames per second here: going on with one frame"
    )
    assert chosen(one) == ("fast", True)
    _, sentence = until_a_change(one, load(dropped=0.3, busy=1.0, rate=15))
    assert "brackets are dropped, oldest first" in sentence
    assert chosen(one) == ("fast", True)
    assert all(one.judge(load(dropped=0.3, rate=15)) is None for _ in range(10))  # it was said


def test_most_of_the_frames_are_better_than_half_of_them():
    one = governor()
    _, sentence = until_a_change(one, load(dropped=0.1, busy=1.0))
    assert "holds 27.0 of 30.0" in sentence
    assert chosen(one) == ("fast", False)


def test_where_a_bracket_is_one_instant_nothing_is_thinned():
    one = governor(cycle=1)
    until_a_change(one, load(dropped=0.6, busy=1.0))
    assert chosen(one) == ("fast", False)


def test_it_climbs_when_there_is_room_for_what_the_better_one_costs():
    one = governor(QUICK)
    one.judge(load(dropped=0.8, busy=0.07))
    assert chosen(one) == ("balanced", False)
    # As slow as it is now, `best` would not hold, however long nothing is dropped.
    assert all(one.judge(load(busy=0.5)) is None for _ in range(100))
    _, sentence = until_a_change(one, load(busy=0.005 * RATE))
    assert sentence == "There is time to spare: going on with every frame and the preset best."
    assert chosen(one) == ("best", False)


def test_every_frame_is_fused_again_when_the_machine_is_free():
    one = governor()
    until_a_change(one, load(dropped=0.4, busy=1.0))
    assert all(
        one.judge(load(busy=0.4, rate=15)) is None for _ in range(100)
    )  # with twice as many it would not hold
    until_a_change(one, load(busy=0.35, rate=15))
    assert chosen(one) == ("fast", False)


def test_each_failed_try_doubles_the_time_to_the_next():
    one = governor()
    until_a_change(one, load(dropped=0.9, busy=1.0))
    waits = []
    for _ in range(3):
        waits.append(until_a_change(one, load(busy=0.2, rate=15))[0])
        assert chosen(one) == ("fast", False)
        until_a_change(one, load(dropped=0.9, busy=1.0))
    assert waits == [4, 7, 14]  # windows of three seconds: 10, 20, 40 s


def test_what_held_is_gone_back_to_when_more_was_tried_and_a_little_is_lost():
    one = governor()
    until_a_change(one, load(dropped=0.4, busy=1.0))
    until_a_change(one, load(busy=0.2, rate=15))
    _, sentence = until_a_change(one, load(dropped=0.08, busy=1.0))
    assert "one frame of each bracket" in sentence
    assert chosen(one) == ("fast", True)


def test_windows_are_long_enough_to_judge():
    meter = LoadMeter()
    assert meter.take(0.0, 0, 0, (0.0, 0.0), 0.0) is None
    assert meter.take(0.5, 15, 0, (0.4, 0.1), 0.5) is None  # too short
    assert meter.take(1.0, 30, 3, (0.8, 0.1), 1.5) == Load(1.0, 30, 3, 0.8, 1.5)
    assert meter.take(2.0, 35, 3, (1.0, 0.9), 2.0) is None  # too few at five per second
    assert meter.take(4.0, 45, 3, (1.4, 2.5), 3.0) == Load(
        3.0, 15, 0, (2.5 - 0.1) / 3.0, 0.5
    )  # another one is the slowest now
    meter.restart()
    assert meter.take(9.0, 90, 3, (2.0, 3.0), 9.0) is None


COARSE = {**COSTS, "coarse": Cost(0.008, 0.015)}


def test_below_the_presets_is_the_fastest_of_them_at_a_coarser_scale():
    one = governor(COARSE)
    assert chosen(one) == ("fast", False)
    _, sentence = until_a_change(one, load(dropped=0.1, busy=1.0))
    assert sentence == (
        "The preset fast holds 27.0 of 30.0 frames per second here: going on with the preset fast at a coarser scale."
    )
    assert chosen(one) == ("coarse", False)
    _, sentence = until_a_change(one, load(dropped=0.3, busy=1.0))
    assert sentence.startswith("Even the preset fast at a coarser scale holds 21.0 of 30.0")
    assert chosen(one) == ("coarse", True)


def test_it_begins_coarser_where_the_presets_take_too_much():
    one = governor({"coarse": Cost(0.01, 0.02), "fast": Cost(0.025, 0.05)})
    assert chosen(one) == ("coarse", False)
    assert all(
        one.judge(load(busy=0.3)) is None for _ in range(20)
    )  # `fast` would take three quarters of the machine


def test_what_camera_and_outputs_take_counts_against_a_better_one():
    one = governor({"coarse": Cost(0.01, 0.02), "fast": Cost(0.02, 0.04)})
    assert chosen(one) == ("coarse", False)
    busy_outputs = load(busy=0.3, used=0.6 + 0.4)  # `fast` would bring it to 1.6 of two processors
    assert all(one.judge(busy_outputs) is None for _ in range(50))
    until_a_change(one, load(busy=0.3, used=0.6 + 0.1))
    assert chosen(one) == ("fast", False)
