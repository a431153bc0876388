"""The aligner on the device: all exposures of an instant in one stack, as `streamfuse.align.Aligner` makes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from streamfuse.align import flow as rule
from streamfuse.align import ghost as rule_of_ghosts
from streamfuse.align import photometric
from streamfuse.align.aligner import UNKNOWN_GAP_EV, part_of_the_way, share_of_same
from streamfuse.align.balance import BalanceTracker
from streamfuse.align.photometric import Levels, ToneCurve
from streamfuse.align.recent import Recent
from streamfuse.cuda import fill, ghosts, motion
from streamfuse.cuda.denoise import denoised, variance
from streamfuse.cuda.flow import dense_flow, look_along
from streamfuse.cuda.frames import DeviceFrame, Uploader
from streamfuse.cuda.graph import Graphed
from streamfuse.cuda.launch import Launcher
from streamfuse.cuda.settings import Tables, tables
from streamfuse.cuda.unpack import match
from streamfuse.cuda.warp import Neighbour, compare, synthesise
from streamfuse.frame import Bracket, Frame


@dataclass(frozen=True, slots=True)
class DeviceBracket:
    """All exposures of one instant on the device, in one geometry.

    Args:
        bracket: where it came from.
        reference: its reference frame.
        lumas: (N, H, W) codes, darkest first.
        chroma: (2, N, h, w) codes, Cb then Cr; None of grey frames.
        untrusted: share of the pixels of the synthesised exposures that fell back to the reference; one value.
        flow_before, flow_after: (2, h, w), towards the pictures of the instants before and after, in pixels of the
            working grid; None where unknown.
    """

    bracket: Bracket
    reference: DeviceFrame
    lumas: Tensor
    chroma: Tensor | None
    untrusted: Tensor
    flow_before: Tensor | None
    flow_after: Tensor | None


@dataclass(frozen=True, slots=True)
class _Side:
    """A neighbour and the flow of the reference towards it, (2, h, w)."""

    frame: DeviceFrame
    flow: Tensor | None


class DeviceAligner:
    """`Bracket` -> `DeviceBracket`.

    Args:
        device: where.
        launcher: None = the torch references.
        preset, ghost, rate: as `streamfuse.align.Aligner` takes them.
        mode: "flow" or "off".
        graphs: record the motion search as a CUDA graph.
        denoise: as `streamfuse.align.Aligner` takes it.
    """

    def __init__(
        self,
        device: torch.device,
        launcher: Launcher | None,
        preset: rule.Preset = "balanced",
        mode: Literal["flow", "off"] = "flow",
        ghost: bool = True,
        rate: Literal["full", "half"] = "full",
        graphs: bool = True,
        denoise: bool = True,
    ) -> None:
        self._device, self._launcher = device, launcher
        self._preset, self._mode, self._ghost, self._rate = preset, mode, ghost, rate
        self._denoise = denoise
        settings = rule.SETTINGS[preset]
        self._cubic = settings.cubic
        self._upload = Uploader(device, launcher)
        self._frames: Recent[DeviceFrame] = Recent(12)
        self._flows: Recent[Tensor] = Recent(8)
        self._balance = BalanceTracker()
        coarser = min(settings.finest_scale + 1, 2)
        self._across = Graphed(lambda a, b: (dense_flow(a, b, settings.finest_scale, launcher),), graphs)
        self._along = Graphed(lambda a, b: (dense_flow(a, b, coarser, launcher),), graphs)

    def __call__(self, item: Bracket) -> DeviceBracket:
        """Align one bracket; queues the work and does not wait for it."""
        reference = self._frame(item.reference)
        count = item.cycle
        lumas = torch.empty((count, *reference.luma.shape), dtype=reference.luma.dtype, device=self._device)
        lumas[item.rank].copy_(reference.luma)
        chroma = None
        if reference.chroma is not None:
            shape = (2, count, *reference.chroma.shape[1:])
            chroma = torch.empty(shape, dtype=reference.luma.dtype, device=self._device)
            chroma[:, item.rank].copy_(reference.chroma)
        trusts, sides = [], []
        if item.alone:  # it stands for every exposure, and passes as it is
            lumas.copy_(reference.luma.expand_as(lumas))
            if chroma is not None and reference.chroma is not None:
                chroma.copy_(reference.chroma[:, None].expand_as(chroma))
        for rank in range(count):
            if rank != item.rank and not item.alone:
                trust, used = self._make(item, reference, rank, lumas, chroma)
                trusts.append(trust)
                sides += used
        before, after = self._instant_flows(item, sides)
        untrusted = 1.0 - torch.stack(trusts).mean() if trusts else torch.zeros((), device=self._device)
        return DeviceBracket(item, reference, lumas, chroma, untrusted, before, after)

    def _make(
        self, item: Bracket, reference: DeviceFrame, rank: int, lumas: Tensor, chroma: Tensor | None
    ) -> tuple[Tensor, list[_Side]]:
        """Write one missing exposure into the stacks; gives its mean trust and the neighbours it came from."""
        brighter = rank > item.rank
        pair = item.missing.get(rank)
        found = [] if pair is None else [frame for frame in (pair.before, pair.after) if frame is not None]
        frames = [self._frame(frame) for frame in found]
        one, none = torch.ones((), device=self._device), torch.zeros((), device=self._device)
        if item.simultaneous and frames:
            _store(frames[0].luma, frames[0].chroma, rank, lumas, chroma)
            return one, []
        curve = tables(self._curve(item, frames, rank), self._device)
        own = match(
            reference.luma,
            reference.chroma,
            curve.up if brighter else curve.down,
            reference.coding,
            self._launcher,
        )
        if not frames:
            if brighter and self._denoise:
                noise = self._noise(reference, reference.brightened(curve.up), curve)
                own = self._denoised(own, reference, variance(noise, rule_of_ghosts.USUAL_NOISE))
            _store(*own, rank, lumas, chroma)
            return none, []
        sides, shares, weight, trust, excess = self._sides(item, reference, frames, curve, brighter)
        if excess is not None:
            own = self._denoised(own, reference, excess)
        if not brighter and shares[1] is not None:
            own = self._filled(own, reference, sides, curve, shares[1])
        self._synthesise(reference, own, sides, shares, weight, rank, lumas, chroma)
        return trust, sides

    def _sides(
        self,
        item: Bracket,
        reference: DeviceFrame,
        frames: list[DeviceFrame],
        curve: Tables,
        brighter: bool,
    ) -> tuple[list[_Side], tuple[Tensor | None, Tensor | None], Tensor | None, Tensor, Tensor | None]:
        """(neighbours with motion, shares of luma and chroma, weight of the first neighbour, mean trust, variance).

        The variance is that of the noise to take out of the reference; None = it stays as it is.
        """
        here = reference.brightened(curve.up) if brighter else reference.small
        there = torch.stack([frame.small if brighter else frame.brightened(curve.up) for frame in frames])
        flows = self._motion(item, frames, here, there, curve) if self._mode == "flow" else None
        deviations, errors = compare(here, there, flows, brighter, curve.explained, self._launcher)
        sides = [_Side(f, None if flows is None else flows[n]) for n, f in enumerate(frames)]
        weight = None
        if len(frames) == 2:
            seen, own = (
                one if flows is None else look_along(one, flows.contiguous(), self._launcher)
                for one in (there, torch.stack([frame.small for frame in frames]))
            )
            weight = ghosts.side_weights(deviations, seen, own).contiguous()
        if not self._ghost:
            return sides, (None, None), weight, torch.ones((), device=self._device), None
        trust, excess = ghosts.trust_map(deviations), None
        if brighter:
            noise = self._noise(reference, here, curve)
            share = ghosts.brighter_share(noise, errors)
            if self._denoise:
                excess = variance(noise, ghosts.noise_level(noise, errors))
        else:
            share = ghosts.darker_share(reference.small, reference.peak)
        return sides, ((trust * share).contiguous(), trust.contiguous()), weight, trust.mean(), excess

    def _noise(self, reference: DeviceFrame, raised: Tensor, curve: Tables) -> ghosts.Noise:
        return ghosts.Noise(raised, curve.noise, reference.frame.width / reference.small.shape[1])

    def _denoised(
        self, own: tuple[Tensor, Tensor | None], reference: DeviceFrame, excess: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        return denoised(*own, excess, reference.coding, reference.frame.subsampling)

    def _filled(
        self,
        own: tuple[Tensor, Tensor | None],
        reference: DeviceFrame,
        sides: list[_Side],
        curve: Tables,
        trust: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        """A bright reference darkened, with a guess at what is clipped in it where no neighbour is trusted."""
        luma, chroma = own
        if reference.rgb is None or chroma is None:
            return own
        share = fill.unknown(reference.rgb, trust)
        colours = [fill.reduced(side.frame.rgb, side.flow) for side in sides if side.frame.rgb is not None]
        lacking = fill.lacking(reference.rgb, share, colours, curve.up, curve.down)
        return fill.added(luma, chroma, lacking, reference.coding)

    def _synthesise(
        self,
        reference: DeviceFrame,
        own: tuple[Tensor, Tensor | None],
        sides: list[_Side],
        shares: tuple[Tensor | None, Tensor | None],
        weight: Tensor | None,
        rank: int,
        lumas: Tensor,
        chroma: Tensor | None,
    ) -> None:
        rows, columns = reference.small.shape
        scale = (reference.frame.height / rows, reference.frame.width / columns)
        top = reference.coding.top
        neighbours = tuple(Neighbour(side.frame.luma[None], side.flow) for side in sides)
        synthesise(
            neighbours,
            own[0][None],
            weight,
            shares[0],
            scale,
            top,
            self._cubic,
            self._launcher,
            lumas[rank : rank + 1],
        )
        if chroma is None or own[1] is None:
            return
        across, down = reference.frame.subsampling
        pairs = tuple(Neighbour(s.frame.chroma, s.flow) for s in sides if s.frame.chroma is not None)
        scale = (scale[0] / (1 << down), scale[1] / (1 << across))
        made = synthesise(pairs, own[1], weight, shares[1], scale, top, False, self._launcher)
        chroma[:, rank].copy_(made)

    # Exposure

    def _curve(self, item: Bracket, others: list[DeviceFrame], rank: int) -> ToneCurve:
        """As `Aligner` finds it; histograms come from the device, the curve is made on the host."""
        reference, brighter = self._frame(item.reference), rank > item.rank
        if not others:
            return photometric.ratio_curve(UNKNOWN_GAP_EV * abs(rank - item.rank))
        dark, bright = ([reference], others) if brighter else (others, [reference])
        known = photometric.known_gap(dark[0].frame, bright[0].frame)
        if known is not None:
            curve = photometric.ratio_curve(known)
        else:
            here = self._levels_around(item, [frame.frame for frame in others])
            there = np.sum([frame.histogram() for frame in others], axis=0)
            curve = photometric.curve_of_histograms(*((here, there) if brighter else (there, here)))
        pair = item.cycle * min(rank, item.rank) + max(rank, item.rank)
        low, high = ([frame.block_means() for frame in frames] for frames in (dark, bright))
        return replace(curve, balance=self._balance(pair, low, high, curve))

    def _levels_around(self, item: Bracket, others: list[Frame]) -> Levels:
        """Histogram of the reference's exposure at the instant that `others` stand for together."""
        own, same, share = self._frame(item.reference).histogram(), item.same, share_of_same(item, others)
        if share == 0.0 or same.before is None or same.after is None:
            return own
        around = self._frame(same.before).histogram() + self._frame(same.after).histogram()
        return (1 - 2 * share) * own + share * around

    # Motion

    def _motion(
        self, item: Bracket, frames: list[DeviceFrame], here: Tensor, there: Tensor, curve: Tables
    ) -> Tensor:
        """(S, 2, h, w): of the reference towards each neighbour."""
        sources = here.expand_as(there).contiguous()
        across = self._across(sources, there)[0].clone()
        along = self._even_motion(item, frames)
        if along is None:
            return across
        lumas = torch.stack([frame.small for frame in frames]) if len(frames) == 2 else None
        share = motion.usable(here, *curve.floor)
        return motion.combined(across, along, share, lumas, self._launcher).contiguous()

    def _even_motion(self, item: Bracket, frames: list[DeviceFrame]) -> Tensor | None:
        """The same as far as frames of one exposure tell, if motion is even."""
        here = item.reference
        if len(frames) == 2:
            flow = self._same_flow(frames[0].frame, frames[1].frame)
            part = part_of_the_way(frames[0].frame, here, frames[1].frame)
            return torch.stack(motion.halfway(flow, part))
        same = item.same.after if frames[0].frame.index > here.index else item.same.before
        if same is None:
            return None
        return (self._same_flow(here, same) * part_of_the_way(here, frames[0].frame, same))[None]

    def _same_flow(self, source: Frame, target: Frame) -> Tensor:
        """Between two frames of one exposure; kept, since the next brackets ask for it again."""
        found = self._flows.get(source, target)
        if found is None:
            small = [self._frame(frame).small.sqrt()[None] for frame in (source, target)]
            found = self._flows.put(self._along(*small)[0][0].clone(), source, target)
        return found

    def _instant_flows(self, item: Bracket, sides: list[_Side]) -> tuple[Tensor | None, Tensor | None]:
        """Towards the pictures of the instants before and after."""
        if self._mode == "off":
            return None, None
        here, same = item.reference, item.same
        flows: dict[int, Tensor] = {}
        if self._rate == "full" and not item.simultaneous:
            flows = {s.frame.frame.index - here.index: s.flow for s in sides if s.flow is not None}
        every = self._rate == "half" or item.simultaneous
        for place, frame in ((-1, same.before), (1, same.after)):
            if frame is not None and (every or frame.index == here.index + place):
                flows[place] = self._same_flow(here, frame)
        return flows.get(-1), flows.get(1)

    def _frame(self, frame: Frame) -> DeviceFrame:
        found = self._frames.get(frame)
        if found is None:
            columns, rows = rule.working_size(frame.width, frame.height, self._preset)
            found = self._frames.put(self._upload(frame, (rows, columns)), frame)
        return found


def _store(luma: Tensor, planes: Tensor | None, rank: int, lumas: Tensor, chroma: Tensor | None) -> None:
    lumas[rank].copy_(luma)
    if chroma is not None and planes is not None:
        chroma[:, rank].copy_(planes)
