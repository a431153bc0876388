"""The second look at motion, as `streamfuse.align.second_look` takes it, on the device; nothing waits for the host."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from streamfuse.align import second_look as rule
from streamfuse.backends.cuda.filters import box, dilated, eroded
from streamfuse.backends.cuda.flow import look_along
from streamfuse.backends.cuda.launch import Launcher
from streamfuse.backends.cuda.motion import halfway
from streamfuse.backends.cuda.sampling import grid, sample


class DeviceSecondLook:
    """The pictures of one instant, in which other answers are compared with those that there are.

    Args:
        reference: luma in the brighter exposure's scale, (h, w).
        raised: luma of the two neighbours, likewise, (2, h, w).
        own: the same in their own scale.
        launcher: None = the torch references.
    """

    def __init__(self, reference: Tensor, raised: Tensor, own: Tensor, launcher: Launcher | None) -> None:
        self._reference, self._raised, self._own, self._launcher = reference, raised, own, launcher

    def better(self, flows: Tensor, others: Tensor, within: Tensor) -> Tensor:
        """Follow the other fields (2, 2, h, w) wherever their misfit is smaller and `within` (h, w) is 1, not 0."""
        gain = self.misfit(flows) - self.misfit(others)
        share = box((gain * (1 / rule.BETTER)).clamp(0, 1), 3) * within
        return flows + share * (others - flows)

    def misfit(self, flows: Tensor) -> Tensor:
        """Tell how badly the fields explain what is seen, (h, w) luma."""
        one, other = self._seen(self._own, flows)
        off = (self._seen(self._raised, flows) - self._reference).abs().sum(0)
        return box((one - other).abs() + rule.AGAINST_REFERENCE * off, rule.WINDOW)

    def again(self, flows: Tensor, across: Tensor, estimate: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Search once more around all places whose misfit is large; `estimate` is for batches of pictures."""
        within = poor_box(self.misfit(flows))
        flows = self.better(flows, across, within)
        seen = self._seen(self._raised, flows)
        rest = estimate(self._reference.expand_as(seen).contiguous(), seen)
        flows = self.better(flows, _with_rest(flows, rest), within)
        one, other = self._seen(self._own, flows).sqrt()
        rest = torch.stack(halfway(estimate(one[None], other[None])[0], 0.5))
        return self.better(flows, _with_rest(flows, rest), within)

    def _seen(self, pictures: Tensor, flows: Tensor) -> Tensor:
        return look_along(pictures, flows.contiguous(), self._launcher)


def poor_box(misfit: Tensor) -> Tensor:
    """1 in the smallest box with all places of a large misfit and a margin, else 0, (h, w)."""
    poor = eroded((misfit > rule.POOR).to(misfit.dtype))
    near = dilated(poor, 2 * rule.MARGIN + 1)
    rows, columns = (_between(near.amax(axis)) for axis in (1, 0))
    return rows[:, None] * columns[None]


def _between(line: Tensor) -> Tensor:
    """1 from the first to the last 1 of a line of 0 and 1."""
    return line.cummax(0).values * line.flip(0).cummax(0).values.flip(0)


def _with_rest(flows: Tensor, rest: Tensor) -> Tensor:
    """Give what is left of the motion, and from where that leads, the motion."""
    x, y = grid(flows.shape[-2], flows.shape[-1], flows)
    moved = [sample(flow, x + more[0], y + more[1]) for flow, more in zip(flows, rest, strict=True)]
    return rest + torch.stack(moved)
