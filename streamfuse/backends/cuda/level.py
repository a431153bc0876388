"""What alternates in the level of the fused picture, as `streamfuse.temporal.level` finds it, on the device.

Nothing waits for the host: what is added is a tensor.
"""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from streamfuse.backends.cuda.align import DeviceBracket
from streamfuse.backends.cuda.sampling import area, grid, sample
from streamfuse.core.frame import Bracket
from streamfuse.temporal import level as rule


class DeviceLeveller:
    """Tells what to add to each fused picture; called once for each instant, in order."""

    def __init__(self) -> None:
        self._last: tuple[Bracket, Tensor, Tensor | None] | None = None
        self._steps: deque[Tensor] = deque(maxlen=rule.WINDOW)
        self._means: deque[tuple[Tensor, int]] = deque(maxlen=rule.TURNS)  # with their rank

    def __call__(self, aligned: DeviceBracket, picture: Tensor) -> Tensor | None:
        """Luma to add to the fused picture (H, W) of this instant, one value; None = none.

        Args:
            aligned: the exposures that it is made of, with the motion towards the instant before.
            picture: its luma in [0, 1].
        """
        bracket, last, flow = aligned.bracket, self._last, aligned.flow_before
        small = area(picture, rule.reduced_size(picture.shape[0], picture.shape[1])).clamp(0, 1)
        self._last = bracket, small, aligned.flow_after
        steady: Tensor | None = None
        if last is None or flow is None or not rule.follows(last[0], bracket) or last[1].shape != small.shape:
            self._steps.clear()
            self._means.clear()
        else:
            step = _step(last[1], small, flow)
            if last[2] is not None:
                step = (step - _step(small, last[1], last[2])) * 0.5
            self._steps.append(step * (0.5 * rule.sign(bracket)))
            if len(self._steps) >= rule.MIN_COUNT:
                steady = alternation(torch.stack(tuple(self._steps))) * -2.0
        self._means.append((small.mean(), bracket.rank))
        if len(self._means) < rule.TURNS:
            return None
        share = rule.TURN_SHARES[bracket.rank > 0]
        if steady is None:
            return turned(torch.stack([mean for mean, _ in self._means])) * -share
        means = torch.stack([mean + steady * rank for mean, rank in self._means])
        return steady * bracket.rank - turned(means) * share


def _step(before: Tensor, now: Tensor, flow: Tensor) -> Tensor:
    """Tell how much brighter a picture is than another, in the median of what shows in both, along the motion."""
    rows, columns = now.shape
    moved = area(flow, (rows, columns))
    x, y = grid(rows, columns, now)
    x, y = x + moved[0] * (columns / flow.shape[2]), y + moved[1] * (rows / flow.shape[1])
    inside = (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)
    return torch.where(inside, now - sample(before, x, y), torch.nan).nanmedian().nan_to_num()


def alternation(steps: Tensor) -> Tensor:
    """Do as `streamfuse.temporal.level.alternation`, of enough steps (n,); one value."""
    pairs = (steps[1:] + steps[:-1]) * 0.5
    mean, doubt = pairs.mean(), pairs.std() * rule.threshold(len(pairs))
    sure = mean.abs() > doubt.clamp_min(rule.MIN_CHANGE)
    found = mean * (1 - (doubt / mean) ** 2)
    return torch.where(sure, found.clamp(-rule.MAX_CHANGE, rule.MAX_CHANGE), 0.0)


def turned(means: Tensor) -> Tensor:
    """Do as `streamfuse.temporal.level.turned`, of enough means (n,); one value."""
    one, two, three = means.diff()
    bend = (three - two).abs() * 0.25
    sure = (one * two < 0) & (two * three < 0) & (bend > rule.MIN_CHANGE) & (bend <= rule.MAX_TURN)
    return torch.where(sure, bend * three.sign(), 0.0)
