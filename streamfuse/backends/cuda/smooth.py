"""Takes out of the maps what alternates with the exposures, as `streamfuse.temporal.smooth` does it, on the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from streamfuse.backends.cuda.align import DeviceBracket
from streamfuse.backends.cuda.blend import DeviceMaps
from streamfuse.backends.cuda.filters import box, eroded
from streamfuse.backends.cuda.sampling import area, grid, linear, sample
from streamfuse.core.color_info import luma_range
from streamfuse.temporal import smooth as rule


@dataclass(frozen=True, slots=True, eq=False)
class DeviceInstant:
    """An aligned bracket, its maps, and the pyramid of its luma (empty where the references run)."""

    aligned: DeviceBracket
    maps: DeviceMaps
    pyramid: Sequence[Tensor]

    @property
    def all_maps(self) -> tuple[Tensor, ...]:
        """Priors, finest first, then gains."""
        return (*self.maps.priors, *self.maps.gains)


@dataclass(frozen=True, slots=True, eq=False)
class _Neighbour:
    """The instant before or after, its picture, and where each pixel of a map of some size lies in its maps."""

    instant: DeviceInstant
    picture: Tensor
    places: _Places


class DeviceSmoother:
    """DeviceInstant -> DeviceInstant, one instant later; see `streamfuse.temporal.smooth.Smoother`.

    Args:
        ahead: as there: without the maps of the next instant each one comes at once.
    """

    def __init__(self, ahead: bool = True) -> None:
        self._ahead = ahead
        self._window: deque[tuple[DeviceInstant, Tensor]] = deque(maxlen=3)
        self._near: list[list[Tensor]] = []
        self._whole: list[list[Tensor]] = []

    def push(self, instant: DeviceInstant) -> list[DeviceInstant]:
        """Take instant t, give t - 1; without looking ahead, give t."""
        self._window.append((instant, _picture(instant)))
        if not self._ahead:
            before = self._window[-2] if len(self._window) > 1 else None
            return [self._smoothed(before, self._window[-1], None)]
        if len(self._window) == 1:
            return []
        before = self._window[0] if len(self._window) == 3 else None
        return [self._smoothed(before, self._window[-2], self._window[-1])]

    @property
    def newest(self) -> DeviceInstant | None:
        """Give the instant that came last; None after `flush`."""
        return self._window[-1][0] if self._window else None

    def flush(self) -> list[DeviceInstant]:
        """Give the last instant, if it is still held."""
        if not self._window:
            return []
        before = self._window[-2] if len(self._window) > 1 else None
        out = [self._smoothed(before, self._window[-1], None)] if self._ahead else []
        self._window.clear()
        self._forget()
        return out

    def _forget(self) -> None:
        self._near, self._whole = [], []

    def _smoothed(
        self,
        before: tuple[DeviceInstant, Tensor] | None,
        now: tuple[DeviceInstant, Tensor],
        after: tuple[DeviceInstant, Tensor] | None,
    ) -> DeviceInstant:
        instant, picture = now
        maps, count, aligned = instant.all_maps, len(instant.maps.priors), instant.aligned
        earlier = _neighbour(before, instant, aligned.flow_before)
        later = _neighbour(after, instant, aligned.flow_after)
        sides = [side for side in (earlier, later) if side is not None]
        if not sides:
            self._forget()
            return instant
        sure = _sure(picture, sides)
        self._follow(earlier, [one.shape for one in maps])
        near, whole, out = [], [], []
        for number, own in enumerate(maps):
            window = rule.window(number % count)
            share = linear(sure, (own.shape[-2], own.shape[-1]))
            pooled = box(own, window)
            seen = [box(side.places.look(side.instant.all_maps[number]), window) for side in sides]
            low, high = torch.minimum(seen[0], seen[-1]), torch.maximum(seen[0], seen[-1])
            near.append((pooled - pooled.clamp(low, high)) * share)
            whole.append(((pooled - (seen[0] + seen[-1]) * 0.5) * share).mean((-2, -1), keepdim=True))
            taken = self._taken(aligned.bracket.cycle, number, near[-1], whole[-1], share)
            out.append(_without(own, taken).contiguous())
        self._near = [near, *self._near][: rule.NEAR - 1]
        self._whole = [whole, *self._whole][: rule.WHOLE - 1]
        return replace(
            instant, maps=DeviceMaps(tuple(out[:count]), tuple(out[count:]), instant.maps.coverage)
        )

    def _follow(self, earlier: _Neighbour | None, shapes: Sequence[torch.Size]) -> None:
        """The deviations of the last instants as seen from this one, their sign turned."""
        if earlier is None or (self._near and [one.shape for one in self._near[0]] != list(shapes)):
            self._forget()
            return
        self._near = [[-earlier.places.look(one) for one in past] for past in self._near]
        self._whole = [[-one for one in past] for past in self._whole]

    def _taken(self, cycle: int, number: int, near: Tensor, whole: Tensor, share: Tensor) -> Tensor:
        """Give what alternates of map `number`: near each pixel, and of the whole picture where that is more."""
        if cycle != 2:
            return near
        found = torch.zeros_like(near)
        if len(self._near) + 1 >= rule.MIN_NEAR:
            found = _least([near, *(past[number] for past in self._near)])
        if len(self._whole) + 1 >= rule.MIN_WHOLE:
            steady = _least([whole, *(past[number] for past in self._whole)])
            mean = found.mean((-2, -1), keepdim=True)
            rest = torch.where(steady.abs() > mean.abs(), steady - mean, 0.0)
            found = found + rest * (share / share.mean().clamp_min(rule.MIN_SURE))
        return found


def _neighbour(
    other: tuple[DeviceInstant, Tensor] | None, now: DeviceInstant, flow: Tensor | None
) -> _Neighbour | None:
    if other is None or flow is None:
        return None
    return _Neighbour(*other, _Places(flow, now.maps.coverage))


def _picture(instant: DeviceInstant) -> Tensor:
    """Luma of all exposures on the grid of the finest map, (N, h, w) in [0, 1]."""
    rows, columns = instant.maps.priors[0].shape[-2:]
    down, across = instant.maps.coverage
    frame = instant.aligned.bracket.reference
    black, white = luma_range(frame.bits, frame.color.full_range)
    size = max(1, round(rows / down)), max(1, round(columns / across))
    small = area(instant.aligned.lumas.float(), size)
    y, x = (
        torch.arange(n, device=small.device).clamp(max=m - 1)
        for n, m in ((rows, size[0]), (columns, size[1]))
    )
    return (small[..., y, :][..., x] - black) / (white - black)


def _sure(here: Tensor, sides: Sequence[_Neighbour]) -> Tensor:
    """Tell how surely the motion was followed, 0..1, (h, w) as the finest map."""
    apart = torch.stack(
        [box((side.places.look(side.picture) - here).abs(), rule.SEEN).amax(0) for side in sides]
    )
    share = ((rule.OTHER - apart.amax(0)) / (rule.OTHER - rule.SAME)).clamp(0.0, 1.0)
    return box(eroded(share), 3)


def _least(deviations: Sequence[Tensor]) -> Tensor:
    """Of deviations that all have one sign the smallest; 0 where they do not."""
    sign, least = deviations[0].sign(), deviations[0].abs()
    for other in deviations[1:]:
        least = torch.minimum(least, (other * sign).clamp_min(0.0))
    return sign * least


def _without(own: Tensor, taken: Tensor) -> Tensor:
    """Give a map less half of what alternates; weights of all exposures (N, h, w) stay weights."""
    left = own - rule.ALTERNATION * taken
    if own.ndim == 2:
        return left
    left = left.clamp_min(rule.MIN_WEIGHT)
    return left / left.sum(0, keepdim=True)


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
