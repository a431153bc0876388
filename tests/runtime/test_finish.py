"""What sees each fused frame last gets it beside what it was made of, whatever comes in between."""

from __future__ import annotations

import cuda_cases as make
import pytest

from streamfuse.backends.cuda.stage import DeviceFusion, DeviceFusionSettings
from streamfuse.config import Config
from streamfuse.core.frame import FusedFrame, WeighedBracket
from streamfuse.core.protocols import Stage
from streamfuse.fusion.fuser import LcndrFuser
from streamfuse.runtime.chain import FinishStage, build_chain, build_front
from streamfuse.runtime.line import through
from streamfuse.runtime.views import side_by_side

CONFIG = Config().with_overrides(preset="fast", fuser="mertens", align="off", device="cpu")


class Seen:
    """A `Finish` that notes which instants it was shown together."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []

    def __call__(self, weighed: WeighedBracket, fused: FusedFrame) -> FusedFrame:
        self.pairs.append((weighed.aligned.bracket.reference.index, fused.index))
        return fused


@pytest.mark.parametrize("deflicker", [False, True])
@pytest.mark.parametrize("smooth", [False, True])
def test_a_frame_is_shown_beside_its_own_bracket_and_does_not_keep_it(deflicker: bool, smooth: bool) -> None:
    seen = Seen()
    config = CONFIG.with_overrides(deflicker=deflicker, smooth=smooth)
    frames = list(through(build_chain(config, finish=[seen]).line, make.clip(8)))
    assert seen.pairs == [(number, number) for number in range(8)]
    assert all(frame.made_of is None for frame in frames)


def test_each_finish_takes_what_the_one_before_it_gives() -> None:
    seen = Seen()
    chain = build_chain(CONFIG, finish=[side_by_side, seen, side_by_side])
    (first, *_) = through(chain.line, make.clip(4))
    assert first.width == 3 * 3 * 160  # each panel as wide as the three that were there already
    assert len(seen.pairs) == 4


def test_nothing_is_kept_where_nobody_looks() -> None:
    assert all(frame.made_of is None for frame in through(build_chain(CONFIG).line, make.clip(4)))


def test_the_chain_on_the_device_ends_in_the_same_stage() -> None:
    """By the torch references: no GPU is needed for that."""
    fuse = DeviceFusion(LcndrFuser("lcndr-xs", "cpu"), DeviceFusionSettings("fast", "off"), keep=True)
    finish: Stage[FusedFrame, FusedFrame] = FinishStage([side_by_side])
    line = build_front(CONFIG).line.then("fuse", fuse).ending_in(finish)
    frames = list(through(line, make.clip(4)))
    assert [frame.index for frame in frames] == list(range(4))
    assert all(frame.width == 3 * 160 and frame.made_of is None for frame in frames)
