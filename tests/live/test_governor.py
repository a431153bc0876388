"""The preset that is chosen while a run goes on."""

from streamfuse.live.governor import Governor, Load, LoadMeter


def load(dropped=0.0, busy=0.8, seconds=3.0, rate=30):
    arrived = int(rate * seconds)
    return Load(seconds, arrived, round(dropped * arrived), busy)


def test_what_keeps_up_stays():
    governor = Governor()
    assert [governor.judge(load()) for _ in range(100)] == [None] * 100
    assert governor.preset == "best"


def test_far_too_slow_is_seen_at_once_and_said():
    governor = Governor()
    sentence = governor.judge(load(dropped=0.8))
    assert sentence == "The preset best holds 6.0 of 30.0 frames per second here: going on with balanced."
    assert governor.preset == "balanced"


def test_a_little_too_slow_has_to_be_so_twice():
    governor = Governor()
    assert governor.judge(load(dropped=0.2)) is None
    assert governor.judge(load()) is None
    assert governor.judge(load(dropped=0.2)) is None
    assert "balanced" in governor.judge(load(dropped=0.2))


def test_a_few_drops_are_no_reason():
    governor = Governor()
    assert all(governor.judge(load(dropped=0.03)) is None for _ in range(20))


def test_when_nothing_holds_it_is_said_once():
    governor = Governor(start="fast")
    told = [governor.judge(load(dropped=0.7)) for _ in range(10)]
    assert told[0].startswith("Even the preset fast holds only 9.0 of 30.0 frames per second here")
    assert told[1:] == [None] * 9
    assert governor.preset == "fast"


def test_after_a_quiet_minute_a_better_one_is_tried():
    governor = Governor(start="fast")
    told = [sentence for _ in range(21) if (sentence := governor.judge(load(busy=0.2)))]
    assert told == ["There is time to spare: trying the preset balanced."]


def test_one_that_is_just_quick_enough_is_left_alone():
    governor = Governor(start="fast")
    assert all(governor.judge(load(busy=0.6)) is None for _ in range(100))


def test_each_failed_try_doubles_the_time_to_the_next():
    governor = Governor(start="fast")

    def windows_until_a_change(**figures):
        count = 1
        while governor.judge(load(**figures)) is None:
            count += 1
        return count

    waits = []
    for _ in range(3):
        waits.append(windows_until_a_change(busy=0.1))
        assert governor.preset == "balanced"
        windows_until_a_change(dropped=0.9)
        assert governor.preset == "fast"
    assert waits == [20, 40, 80]


def test_windows_are_long_enough_to_judge():
    meter = LoadMeter()
    assert meter.take(0.0, 0, 0, 0.0) is None
    assert meter.take(0.5, 15, 0, 0.4) is None  # too short
    assert meter.take(1.0, 30, 3, 0.8) == Load(1.0, 30, 3, 0.8)
    assert meter.take(2.0, 35, 3, 1.0) is None  # too few at five per second
    assert meter.take(4.0, 45, 3, 1.4) == Load(3.0, 15, 0, (1.4 - 0.8) / 3.0)
    meter.restart()
    assert meter.take(9.0, 90, 3, 2.0) is None
