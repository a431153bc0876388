"""A live run on a GPU: each lane does all in one, by the torch references here, and its frames are those of the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from live_parts import config as mertens

from streamfuse.backends.cuda.stage import DeviceFusion, DeviceFusionSettings
from streamfuse.config import Config
from streamfuse.core.frame import Bracket, ClassifiedFrame, FusedFrame, WeighedBracket
from streamfuse.exposure.pair import Pairer
from streamfuse.fusion.fuser import LcndrFuser
from streamfuse.look.look import Look
from streamfuse.look.stage import LookStage
from streamfuse.runtime.line import Line
from streamfuse.runtime.live import lanes as live_lanes
from streamfuse.runtime.live.lanes import Lanes
from streamfuse.runtime.live.steps import AlignStep, BlendStep, WeighStep
from streamfuse.synthetic.sample_source import open_sample


def config(preset: str) -> Config:
    """Settings of a run with the networks."""
    settings = mertens(preset=preset)
    return settings.model_copy(update={"fuse": settings.fuse.model_copy(update={"fuser": None})})


@pytest.fixture(scope="module")
def brackets() -> list[Bracket]:
    pairer, made = Pairer(lookahead=1), []
    for frame in open_sample("sample:?size=96x64&frames=7"):
        taken = replace(frame, captured_at=frame.index / 30)
        made += pairer.push(ClassifiedFrame(taken, frame.index % 2, 2))
    return made


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the lanes take the CPU for a GPU."""

    def fusion(config: Config, fuser: object, *, keep: bool, live: bool, coarse: bool) -> DeviceFusion:
        assert isinstance(fuser, LcndrFuser)
        settings = DeviceFusionSettings(config.fuse.preset, coarse=coarse, ahead=not live, precision="fp32")
        return DeviceFusion(fuser, settings, keep=keep)

    monkeypatch.setattr(live_lanes, "fusion_on_device", fusion)


class Steps:
    """The three steps one after another, in one thread."""

    def __init__(self, lanes: Lanes, look: LookStage | None = None) -> None:
        self.lanes = lanes
        self.shown: list[tuple[WeighedBracket, FusedFrame]] = []
        blend = BlendStep(lanes, True, True, look, lambda *seen: self.shown.append(seen))
        self._line = Line("align", AlignStep(lanes)).then("weigh", WeighStep()).then("blend", blend)

    def __call__(self, bracket: Bracket) -> FusedFrame:
        (frame,) = self._line.push(bracket)  # each bracket gives its own frame at once
        return frame


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((one.astype(float) - other) ** 2), 1e-9)))


@pytest.mark.usefixtures("on_device")
def test_frames_come_at_once_and_are_those_of_the_cpu(
    brackets: list[Bracket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Steps(Lanes(config(preset="fast")))
    monkeypatch.setattr(live_lanes, "fusion_on_device", lambda *_, **__: None)
    theirs = Steps(Lanes(config(preset="fast")))
    for bracket in brackets:
        frame, expected = ours(bracket), theirs(bracket)
        assert (frame.index, frame.pts, frame.exposures) == (expected.index, expected.pts, expected.exposures)
        assert frame.stats["rank"] == expected.stats["rank"] == bracket.rank
        assert all(psnr(a, b) > 34 for a, b in zip(frame.planes, expected.planes, strict=True))
    assert len(ours.shown) == len(brackets)


@pytest.mark.usefixtures("on_device")
def test_what_is_shown_is_what_the_frame_was_made_of_with_its_look(brackets: list[Bracket]) -> None:
    steps = Steps(Lanes(config(preset="fast")), LookStage(Look(saturation=-1)))
    frame = steps(brackets[2])
    ((weighed, shown),) = steps.shown
    assert shown is frame
    assert frame.made_of is None
    assert weighed.aligned.bracket is brackets[2]
    assert weighed.aligned.exposures[0][0].mean() < weighed.aligned.exposures[1][0].mean()
    assert all(np.all(plane == 128) for plane in frame.planes[1:])


def restarts(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note which lane begins to smooth anew."""
    told: list[str] = []
    for rung in live_lanes.LADDER:
        if (lane := lanes._lanes.get(rung)) is not None and lane.fuse is not None:
            monkeypatch.setattr(lane.fuse, "restart", lambda rung=rung: told.append(rung))
    yield told


@pytest.mark.usefixtures("on_device")
def test_smoothing_begins_anew_behind_a_gap_and_behind_a_change(
    brackets: list[Bracket], monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = Lanes(config(preset="auto"))
    (told,) = restarts(lanes, monkeypatch)
    align = AlignStep(lanes)
    lanes.use("fast")
    for bracket in (brackets[0], brackets[1]):
        list(align.push(bracket))
    assert told == []
    list(align.push(brackets[4]))
    assert told == ["fast"]
    lanes.use("balanced")
    list(align.push(brackets[5]))
    assert told == ["fast", "balanced"]


@pytest.mark.usefixtures("on_device")
def test_the_trial_times_what_will_run(brackets: list[Bracket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_lanes, "_TRIAL_SECONDS", 0.0)
    lanes = Lanes(config(preset="fast"))
    monkeypatch.setattr(lanes.current.weigh, "begin", lambda item: pytest.fail("weighed on the CPU"))
    lanes.prepare(open_sample("sample:?size=96x64").info)
    assert lanes.costs["fast"].slowest > 0
