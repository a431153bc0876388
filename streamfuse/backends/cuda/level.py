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
        self._steps: deque[Tensor] = deque(maxlen=rule.WINDOW)  # (2,): along the motion, and as a whole

    def __call__(self, aligned: DeviceBracket, picture: Tensor) -> Tensor | None:
        """Luma to add to the fused picture (H, W) of this instant, one value; None = none.

        Args:
            aligned: the exposures that it is made of, with the motion towards the instant before.
            picture: its luma in [0, 1].
        """
        bracket, last, flow = aligned.bracket, self._last, aligned.flow_before
        small = area(picture, rule.reduced_size(picture.shape[0], picture.shape[1])).clamp(0, 1)
        self._last = bracket, small, aligned.flow_after
        if last is None or flow is None or not rule.follows(last[0], bracket) or last[1].shape != small.shape:
            self._steps.clear()
            return None
        step = _step(last[1], small, flow)
        if last[2] is not None:
            step = (step - _step(small, last[1], last[2])) * 0.5
        both = torch.stack([step, small.mean() - last[1].mean()])
        self._steps.append(both * (0.5 * rule.sign(bracket)))
        if len(self._steps) < rule.TURNS:
            return None
        steps = torch.stack(tuple(self._steps))
        share = rule.sign(bracket) * rule.TURN_SHARES[bracket.rank > 0]
        if len(steps) < rule.MIN_COUNT:
            return turned(steps) * -share
        steady = alternation(steps)
        return steady * (-2 * bracket.rank) - turned(steps - steady) * share


def _step(before: Tensor, now: Tensor, flow: Tensor) -> Tensor:
    """Tell how much brighter a picture is than another, in the mean of what shows in both, along the motion."""
    rows, columns = now.shape
    moved = area(flow, (rows, columns))
    x, y = grid(rows, columns, now)
    x, y = x + moved[0] * (columns / flow.shape[2]), y + moved[1] * (rows / flow.shape[1])
    inside = (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)
    differences = torch.where(inside, now - sample(before, x, y), 0.0)
    return differences.sum() / inside.sum().clamp_min(1)


def alternation(steps: Tensor) -> Tensor:
    """Do as `streamfuse.temporal.level.alternation`, of enough steps (n, 2); one value."""
    pairs = (steps[1:] + steps[:-1]) * 0.5
    smaller = torch.where(pairs.prod(1) > 0, pairs[:, 0].sign() * pairs.abs().amin(1), 0.0)
    mean, doubt = smaller.mean(), smaller.std() * rule.threshold(len(smaller))
    sure = mean.abs() > doubt.clamp_min(rule.MIN_CHANGE)
    found = mean * (1 - (doubt / mean) ** 2)
    return torch.where(sure, found.clamp(-rule.MAX_CHANGE, rule.MAX_CHANGE), 0.0)


def turned(steps: Tensor) -> Tensor:
    """Do as `streamfuse.temporal.level.turned`, of enough steps (n, 2); one value."""
    along, bend = ((steps[-1] + steps[-2]) * 0.5).unbind()
    turns = steps[-rule.TURNS :, 1].sign().sum().abs() == rule.TURNS
    size = bend.abs()
    sure = turns & (along * bend > 0) & (size > rule.MIN_CHANGE) & (size <= rule.MAX_TURN)
    return torch.where(sure, bend, 0.0)
