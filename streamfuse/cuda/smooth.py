"""Smoothing of the maps along the motion, as `streamfuse.temporal.smooth` does it, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from streamfuse.cuda.align import DeviceBracket
from streamfuse.cuda.blend import DeviceMaps
from streamfuse.cuda.sampling import grid, linear, sample
from streamfuse.temporal.smooth import SIDE_WEIGHT


@dataclass(frozen=True, slots=True)
class DeviceInstant:
    """An aligned bracket, its maps, and the pyramid of its luma (empty where the references run)."""

    aligned: DeviceBracket
    maps: DeviceMaps
    pyramid: Sequence[Tensor]


def smoothed(before: DeviceInstant | None, now: DeviceInstant, after: DeviceInstant | None) -> DeviceInstant:
    """`now` with maps mixed with those of its neighbours, looked up along the motion."""
    aligned = now.aligned
    neighbours = [
        (other.maps, flow)
        for other, flow in ((before, aligned.flow_before), (after, aligned.flow_after))
        if other is not None and flow is not None
    ]
    if not neighbours:
        return now
    # Where one side is missing (ends, cuts) the other counts double, as on the CPU.
    side = 2 * SIDE_WEIGHT / len(neighbours)
    keep = 1.0 - side * len(neighbours)
    places = [_Places(flow, now.maps.coverage) for _, flow in neighbours]

    def mixed(kind: str) -> tuple[Tensor, ...]:
        out = []
        for n, own in enumerate(getattr(now.maps, kind)):
            others = [
                place.look(getattr(maps, kind)[n])
                for (maps, _), place in zip(neighbours, places, strict=True)
            ]
            out.append((keep * own + side * torch.stack(others).sum(0)).contiguous())
        return tuple(out)

    return replace(now, maps=DeviceMaps(mixed("priors"), mixed("gains"), now.maps.coverage))


class _Places:
    """Where to look in maps of any size that follow one flow field (2, h, w)."""

    def __init__(self, flow: Tensor, coverage: tuple[float, float]) -> None:
        self._flow, self._coverage = flow, coverage
        self._found: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def look(self, maps: Tensor) -> Tensor:
        """Maps (..., h, w) seen along the motion."""
        size = (maps.shape[-2], maps.shape[-1])
        if size not in self._found:
            self._found[size] = self._positions(*size)
        return sample(maps, *self._found[size])

    def _positions(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        height, width = self._flow.shape[-2:]
        step = (self._coverage[0] / rows * height, self._coverage[1] / columns * width)
        flow = linear(self._flow, (rows, columns), step)
        x, y = grid(rows, columns, flow)
        return x + flow[0] / step[1], y + flow[1] / step[0]
