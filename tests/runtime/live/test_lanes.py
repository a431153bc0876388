"""The presets of a live run side by side."""

from dataclasses import replace
from fractions import Fraction

import pytest
from burning import Costs
from live_parts import config

from streamfuse.runtime.live.lanes import LADDER, Lanes
from streamfuse.synthetic.sample_source import open_sample

INFO = replace(open_sample("sample:?size=96x64").info, rate=Fraction(20))


def test_all_presets_are_loaded_at_once_and_the_fastest_begins(monkeypatch):
    costs = Costs().install(monkeypatch)
    lanes = Lanes(config(preset="auto"))
    assert costs.loaded == list(LADDER)
    assert lanes.current.rung == lanes.running.rung == "coarse"
    assert lanes.current.preset == "fast"
    for rung in LADDER:
        lanes.use(rung)
        assert lanes.current.fuser.name == f"mertens of {rung}"
    assert costs.loaded == list(LADDER)  # nothing was loaded again


def test_a_preset_that_was_chosen_is_the_only_one(monkeypatch):
    costs = Costs().install(monkeypatch)
    lanes = Lanes(config(preset="balanced"))
    lanes.prepare(INFO)
    assert costs.loaded == ["balanced"]
    assert lanes.current.preset == "balanced"
    assert set(lanes.costs) == {"balanced"}


@pytest.mark.slow
def test_the_cost_is_what_they_burn(monkeypatch):
    Costs(fast=0.005, balanced=0.03, best=0.08).install(monkeypatch)
    lanes = Lanes(config(preset="auto"))
    lanes.prepare(INFO)
    assert lanes.costs["fast"].total == pytest.approx(0.005, abs=0.02)
    assert lanes.costs["balanced"].slowest >= 0.03
    assert 0.03 <= lanes.costs["balanced"].total < 0.08 <= lanes.costs["best"].total


def test_what_costs_more_than_one_that_does_not_hold_is_not_timed(monkeypatch):
    costs = Costs(fast=0.001, balanced=0.08, best=3.0).install(monkeypatch)
    lanes = Lanes(config(preset="auto"))
    lanes.prepare(INFO)
    assert set(lanes.costs) == {"coarse", "fast", "balanced"}
    assert "best" not in costs.used


def test_pictures_of_the_same_kind_are_not_timed_again(monkeypatch):
    costs = Costs().install(monkeypatch)
    lanes = Lanes(config(preset="auto"))
    lanes.prepare(INFO)
    before = len(costs.used)
    lanes.prepare(INFO)
    assert len(costs.used) == before
    lanes.prepare(replace(INFO, width=128))
    assert len(costs.used) > before


def test_other_presets_are_loaded_when_the_settings_want_them(monkeypatch):
    costs = Costs().install(monkeypatch)
    lanes = Lanes(config(preset="fast"))
    lanes.load(config(preset="auto"))
    assert costs.loaded == ["fast", "best", "balanced", "coarse"]
    assert lanes.current.preset == "fast"


def test_after_a_failure_all_are_new(monkeypatch):
    costs = Costs().install(monkeypatch)
    lanes = Lanes(config(preset="auto"))
    lanes.use("balanced")
    old = lanes.current
    lanes.renew()
    assert lanes.current is not old
    assert lanes.current.preset == "balanced"
    assert costs.loaded == [*LADDER, *LADDER]


@pytest.mark.parametrize(
    "kind", [{"bits": 10}, {"has_chroma": False}, {"subsampling": (0, 0)}, {"width": 97, "height": 65}]
)
def test_every_kind_of_picture_can_be_timed(kind):
    lanes = Lanes(config(preset="fast"))
    lanes.prepare(replace(INFO, **kind))
    assert lanes.costs["fast"].total > 0
