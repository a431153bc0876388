"""Settings of a live run turned into numbers and stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamfuse.chain import Chain, Finish, build_chain
from streamfuse.config import Config, Preset
from streamfuse.frame import FusedFrame, WeighedBracket
from streamfuse.stage import SourceInfo

_WAITING_SECONDS = 0.4


def build_stages(config: Config, preset: Preset, info: SourceInfo, finish: Sequence[Finish]) -> Chain:
    """The stages for a preset, with the network loaded and warm: it takes far longer the first time.

    Raises:
        UsageError, WeightsError, DeviceError: as `build_chain`.
    """
    fuse = config.fuse.model_copy(update={"preset": preset})
    smooth = config.smooth.model_copy(
        update={"flicker": False}
    )  # two more frames of delay, and not counted here
    chosen = config.model_copy(update={"fuse": fuse, "smooth": smooth})
    chain = build_chain(chosen, info.simultaneous, [_with_rank, *finish])
    picture = np.full((info.height, info.width), 0.5, np.float32)
    chain.fuser.weigh([picture, picture])
    return chain


def stride(config: Config) -> int:
    """Input frames for each fused one."""
    return (config.input.cycle or 2) if config.input.rate == "half" else 1


def cycles(unit: int | None, config: Config, info: SourceInfo) -> int:
    """Cycles that may wait for fusion: enough for the bursts of a network, and less than half a second old."""
    instants = unit or config.input.cycle or 2
    return max(1, min(4, round(_WAITING_SECONDS * float(info.rate) / instants)))


def fixed_preset(config: Config) -> Preset:
    """The preset of a run that does not choose by itself."""
    chosen = config.live.preset
    return config.fuse.preset if chosen is None or chosen == "auto" else chosen


def _with_rank(weighed: WeighedBracket, fused: FusedFrame) -> FusedFrame:
    """Says which exposure the reference is, as labelled."""
    return replace(fused, stats={**fused.stats, "rank": float(weighed.aligned.bracket.rank)})
