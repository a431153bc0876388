"""Frames on their way through the stages of a live run while the preset changes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from burning import Costs
from live_parts import config

from streamfuse.core.frame import ClassifiedFrame
from streamfuse.core.protocols import Stage
from streamfuse.exposure.pair import Pairer
from streamfuse.look.look import Look
from streamfuse.look.stage import LookStage
from streamfuse.runtime.live.lanes import Lanes
from streamfuse.runtime.live.steps import AlignStep, BlendStep, WeighStep
from streamfuse.synthetic.sample_source import open_sample


@pytest.fixture
def brackets():
    # Their exposures are told: where they are measured, the gap is steadied over brackets that were dropped, too.
    frames = open_sample("sample:?size=96x64&frames=12&metadata=on")
    pairer = Pairer(lookahead=1)
    return [
        bracket
        for frame in frames
        for bracket in pairer.push(
            ClassifiedFrame(replace(frame, captured_at=frame.index / 30), frame.index % 2, 2)
        )
    ]


class Chain:
    """The three steps one after another, in one thread."""

    def __init__(self, lanes, smooth=True, look=None):
        self.shown = []
        self.steps: list[Stage[Any, Any]] = [
            AlignStep(lanes),
            WeighStep(),
            BlendStep(lanes, smooth, True, look, lambda *seen: self.shown.append(seen)),
        ]

    def __call__(self, item):
        items = [item]
        for step in self.steps:
            items = [result for one in items for result in step.push(one)]
        (frame,) = items  # each bracket gives its own frame at once
        return frame


def test_a_change_takes_hold_with_the_next_bracket_and_loses_none(brackets, monkeypatch):
    costs = Costs().install(monkeypatch)
    lanes = Lanes(config(preset="auto"))
    chain, numbers = Chain(lanes), []
    for number, bracket in enumerate(brackets):
        lanes.use(("fast", "best", "balanced")[number // 4])
        numbers.append(chain(bracket).index)
        assert lanes.running is lanes.current
    assert numbers == [bracket.reference.index for bracket in brackets]
    assert costs.used == (["fast"] * 4 + ["best"] * 4 + ["balanced"] * 4)[: len(brackets)]
    assert len(chain.shown) == len(brackets)


def test_what_is_shown_has_the_look_as_what_is_published(brackets):
    chain = Chain(Lanes(config(preset="fast")), look=LookStage(Look(saturation=-1)))
    fused = chain(brackets[0])
    assert all(np.all(plane == 128) for plane in fused.planes[1:])
    assert chain.shown[0][1] is fused


def test_a_bracket_keeps_the_lane_in_which_it_was_aligned(brackets):
    lanes = Lanes(config(preset="auto"))
    chain = Chain(lanes)
    (aligned,) = chain.steps[0].push(brackets[0])
    lanes.use("best")
    (weighed,) = chain.steps[1].push(aligned)
    list(chain.steps[2].push(weighed))
    assert lanes.running.preset == "fast"
    assert lanes.current.preset == "best"


def test_what_is_behind_a_change_is_as_after_a_fresh_start(brackets):
    lanes, fresh = Lanes(config(preset="auto")), Lanes(config(preset="auto"))
    changing, starting = Chain(lanes), Chain(fresh)
    for bracket in brackets[:5]:
        changing(bracket)
    lanes.use("balanced")
    fresh.use("balanced")
    for bracket in brackets[5:]:
        changed, started = changing(bracket), starting(bracket)
        for one, other in zip(changed.planes, started.planes, strict=True):
            np.testing.assert_array_equal(one, other)


def test_maps_are_not_smoothed_across_dropped_brackets(brackets):
    lanes, fresh = Lanes(config(preset="fast")), Lanes(config(preset="fast"))
    dropping, starting = Chain(lanes), Chain(fresh)
    for bracket in brackets[:4]:
        dropping(bracket)
    after, alone = dropping(brackets[6]), starting(brackets[6])
    np.testing.assert_array_equal(after.planes[0], alone.planes[0])


def test_the_exposure_of_the_reference_is_told(brackets):
    chain = Chain(Lanes(config(preset="fast")))
    assert [chain(bracket).stats["rank"] for bracket in brackets[:4]] == [0.0, 1.0, 0.0, 1.0]
