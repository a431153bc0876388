"""The alignment's arithmetic on a device, and all exposures of an instant in one stack, made by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from streamfuse.align import flow as rule
from streamfuse.align import ghost as rule_of_ghosts
from streamfuse.align.balance import Balance, Blocks
from streamfuse.align.operations import Operations, Ready, Shares, Side
from streamfuse.align.policy import Alignment, AlignSettings
from streamfuse.backends.cuda import fill, ghosts, motion
from streamfuse.backends.cuda.denoise import denoised, variance
from streamfuse.backends.cuda.flow import dense_flow, look_along
from streamfuse.backends.cuda.frames import DeviceFrame, Uploader
from streamfuse.backends.cuda.graph import Graphed
from streamfuse.backends.cuda.launch import Launcher
from streamfuse.backends.cuda.second_sight import DeviceSecondLook
from streamfuse.backends.cuda.settings import Tables, tables
from streamfuse.backends.cuda.unpack import match
from streamfuse.backends.cuda.warp import Neighbour, compare, synthesise
from streamfuse.core.frame import Bracket, Frame
from streamfuse.core.values import Preset, Rate
from streamfuse.fusion.grain import alike
from streamfuse.imaging.photometric import IntensityMapping, Levels

Planes = tuple[Tensor, Tensor | None]  # (H, W) and (2, h, w) codes
DeviceSide = Side[DeviceFrame, Tensor, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
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
        gaps_ev: exposure of each rank relative to the darkest.
        trust: in each exposure, (h, w) at working size; None = everywhere.
        balances: as in `AlignedBracket`.
        taken: luma (H, W) in codes of a frame that was taken in each exposure that was made, by rank.
    """

    bracket: Bracket
    reference: DeviceFrame
    lumas: Tensor
    chroma: Tensor | None
    untrusted: Tensor
    flow_before: Tensor | None
    flow_after: Tensor | None
    gaps_ev: tuple[float, ...] = ()
    trust: tuple[Tensor | None, ...] = ()
    balances: tuple[Balance, ...] = ()
    taken: Mapping[int, Tensor] = field(default_factory=dict)


class DeviceAligner:
    """`Bracket` -> `DeviceBracket`.

    Args:
        device: where.
        launcher: None = the torch references.
        preset, ghost, rate, denoise, coarse, careful: see `AlignSettings`.
        mode: "flow" or "off".
        graphs: record the motion search as a CUDA graph.
    """

    def __init__(
        self,
        device: torch.device,
        launcher: Launcher | None,
        preset: Preset = "balanced",
        mode: Literal["flow", "off"] = "flow",
        ghost: bool = True,
        rate: Rate = "full",
        graphs: bool = True,
        denoise: bool = True,
        coarse: bool = False,
        careful: bool = False,
    ) -> None:
        self._device = device
        settings = AlignSettings(preset, mode, ghost, rate, denoise, coarse, careful)
        self._operations = DeviceOperations(device, launcher, settings, graphs)
        self._alignment = Alignment(self._operations, settings)

    def __call__(self, item: Bracket) -> DeviceBracket:
        """Align one bracket; queues the work and does not wait for it."""
        instant = self._alignment.align(item)
        reference = self._alignment.picture(item.reference)
        like = reference.luma
        lumas = torch.empty((item.cycle, *like.shape), dtype=like.dtype, device=self._device)
        chroma = None
        if reference.chroma is not None:
            shape = (2, item.cycle, *reference.chroma.shape[1:])
            chroma = torch.empty(shape, dtype=like.dtype, device=self._device)
        for rank in range(item.cycle):
            luma, colours = instant.made[rank].planes if rank in instant.made else (like, reference.chroma)
            lumas[rank].copy_(luma)
            if chroma is not None and colours is not None:
                chroma[:, rank].copy_(colours)
        one = torch.ones((), device=self._device)
        trusts = [one if made.trust is None else made.trust.mean() for made in instant.made.values()]
        untrusted = 1.0 - torch.stack(trusts).mean() if trusts else torch.zeros((), device=self._device)
        made = instant.made
        return DeviceBracket(
            bracket=item,
            reference=reference,
            lumas=lumas,
            chroma=chroma,
            untrusted=untrusted,
            gaps_ev=instant.gaps_ev,
            trust=tuple(made[rank].trust if rank in made else None for rank in range(item.cycle)),
            flow_before=instant.flow_before,
            flow_after=instant.flow_after,
            balances=instant.balances,
            taken={rank: self._alignment.picture(frame).luma for rank, frame in alike(item).items()},
        )


class DeviceOperations(Operations[DeviceFrame, Tensor, Tensor, Tables, Planes]):
    """`Operations` on tensors: maps (h, w) and fields (2, h, w) float32 on the device; nothing waits for the host.

    Args:
        device: where.
        launcher: None = the torch references.
        settings: of the alignment.
        graphs: record the motion search as a CUDA graph.
    """

    def __init__(
        self, device: torch.device, launcher: Launcher | None, settings: AlignSettings, graphs: bool
    ) -> None:
        self._device, self._launcher, self._settings = device, launcher, settings
        effort = (rule.CAREFUL if settings.careful else rule.SETTINGS)[settings.preset]
        self._cubic = effort.cubic
        self._upload = Uploader(device, launcher)
        self._closely = Graphed(lambda a, b: (dense_flow(a, b, 0, launcher),), graphs)
        coarser = min(effort.finest_scale + 1, 2)
        self._across = Graphed(lambda a, b: (dense_flow(a, b, effort.finest_scale, launcher),), graphs)
        self._along = Graphed(lambda a, b: (dense_flow(a, b, coarser, launcher),), graphs)

    def picture(self, frame: Frame) -> DeviceFrame:
        settings = self._settings
        columns, rows = rule.working_size(frame.width, frame.height, settings.preset, settings.coarse)
        return self._upload(frame, (rows, columns))

    def histogram(self, picture: DeviceFrame) -> Levels:
        # It waits for the upload of this frame, not for what is computed with it.
        return picture.histogram()

    def blocks(self, picture: DeviceFrame) -> Blocks | None:
        # It waits as `histogram` does.
        return picture.block_means()

    def tone(self, curve: IntensityMapping) -> Tables:
        return tables(curve, self._device)

    def luma(self, picture: DeviceFrame) -> Tensor:
        return picture.small

    def brightened(self, picture: DeviceFrame, tone: Tables) -> Tensor:
        return picture.brightened(tone.up)

    def nothing(self, picture: DeviceFrame) -> Tensor:
        return torch.zeros_like(picture.small)

    def times(self, one: Tensor, other: Tensor) -> Tensor:
        return (one * other).contiguous()

    # Motion

    def matched(self, source: Tensor, targets: Sequence[Tensor]) -> Ready[Sequence[Tensor]]:
        # All at once.
        there = torch.stack(list(targets))
        return Ready(self._across(source.expand_as(there).contiguous(), there)[0].clone().unbind(0))

    def moved(self, source: DeviceFrame, target: DeviceFrame) -> Tensor:
        return self._along(source.small.sqrt()[None], target.small.sqrt()[None])[0][0].clone()

    def scaled(self, flow: Tensor, factor: float) -> Tensor:
        return flow * factor

    def halfway(self, flow: Tensor, part: float) -> Sequence[Tensor]:
        return motion.halfway(flow, part)

    def on_grid(self, luma: Tensor) -> Tensor:
        # The fields have a vector for each pixel.
        return luma

    def usable(self, luma: Tensor, tone: Tables) -> Tensor:
        return motion.usable(luma, *tone.floor)

    def combined(
        self,
        across: Sequence[Tensor],
        along: Sequence[Tensor],
        share: Tensor,
        lumas: tuple[Tensor, Tensor] | None,
    ) -> Sequence[Tensor]:
        both = None if lumas is None else torch.stack(lumas)
        fields = (torch.stack(list(across)), torch.stack(list(along)))
        return motion.combined(*fields, share, both, self._launcher).contiguous().unbind(0)

    def reconsidered(
        self, reference: Tensor, neighbours: Sequence[Tensor], across: Sequence[Tensor], flows: Sequence[Tensor],
        pictures: Sequence[DeviceFrame],
    ) -> Sequence[Tensor]:  # fmt: skip
        # All of the picture is looked at again, to keep what lies in the box.
        own = torch.stack([picture.small for picture in pictures])
        look = DeviceSecondLook(reference, torch.stack(list(neighbours)), own, self._launcher)
        fields = torch.stack(list(flows)), torch.stack(list(across))
        return look.again(*fields, lambda a, b: self._closely(a, b)[0]).contiguous().unbind(0)

    def steadied(
        self, reference: Tensor, neighbours: Sequence[Tensor], across: Sequence[Tensor], dense: Sequence[Tensor],
        share: Tensor, lumas: tuple[Tensor, Tensor] | None,
    ) -> Sequence[Tensor]:  # fmt: skip
        # The camera's motion is not looked for, since a homography is fitted on the host.
        return dense

    # What comes from where

    def compared(
        self, here: Tensor, pictures: Sequence[DeviceFrame], there: Sequence[Tensor],
        flows: Sequence[Tensor | None], tone: Tables, brighter: bool,
    ) -> Sequence[DeviceSide]:  # fmt: skip
        lumas, known = torch.stack(list(there)), [flow for flow in flows if flow is not None]
        fields = torch.stack(known).contiguous() if known else None
        deviations, errors = compare(here, lumas, fields, brighter, tone.explained, self._launcher)
        seen, own = lumas, None
        if len(pictures) == 2:  # what they show is compared only where there are two
            if not brighter:
                own = torch.stack([picture.small for picture in pictures])
            if fields is not None:
                seen = look_along(lumas, fields, self._launcher)
                own = None if own is None else look_along(own, fields, self._launcher)
        return [
            Side(picture, flows[n], deviations[n], errors[n], seen[n], None if own is None else own[n])
            for n, picture in enumerate(pictures)
        ]

    def trust(self, sides: Sequence[DeviceSide]) -> Tensor:
        return ghosts.trust_map(torch.stack([side.deviation for side in sides])).contiguous()

    def brighter_share(
        self, reference: DeviceFrame, raised: Tensor, sides: Sequence[DeviceSide], tone: Tables
    ) -> Tensor:
        return ghosts.brighter_share(_noise(reference, raised, tone), _errors(sides))

    def darker_share(self, reference: DeviceFrame) -> Tensor:
        return ghosts.darker_share(reference.small, reference.peak)

    # Whole frames

    def taken(self, picture: DeviceFrame) -> Planes:
        return picture.luma, picture.chroma

    def mapped(self, reference: DeviceFrame, tone: Tables, brighter: bool) -> Ready[Planes]:
        towards = tone.up if brighter else tone.down
        return Ready(match(reference.luma, reference.chroma, towards, reference.coding, self._launcher))

    def denoised(
        self,
        mapped: Planes,
        reference: DeviceFrame,
        raised: Tensor,
        sides: Sequence[DeviceSide],
        tone: Tables,
        share: Tensor,
    ) -> Planes:
        # All of the picture, since asking where it is needed would be a wait for the host.
        noise = _noise(reference, raised, tone)
        level = ghosts.noise_level(noise, _errors(sides)) if sides else rule_of_ghosts.USUAL_NOISE
        excess = variance(noise, level)
        return denoised(*mapped, excess, reference.coding, reference.frame.subsampling)

    def filled(
        self, mapped: Planes, reference: DeviceFrame, sides: Sequence[DeviceSide], tone: Tables, trust: Tensor
    ) -> Planes:
        luma, chroma = mapped
        if reference.rgb is None or chroma is None:
            return mapped
        shares = fill.unknown(reference.rgb, trust)
        colours = [fill.reduced(s.picture.rgb, s.flow) for s in sides if s.picture.rgb is not None]
        lacking = fill.lacking(reference.rgb, shares, colours, tone.up, tone.down)
        return fill.added(luma, chroma, lacking, reference.coding)

    def synthesised(
        self, reference: DeviceFrame, mapped: Planes, sides: Sequence[DeviceSide], shares: Shares[Tensor]
    ) -> Planes:
        rows, columns = reference.small.shape
        down, across = reference.frame.height / rows, reference.frame.width / columns
        weight = None
        if len(sides) == 2:
            deviations = torch.stack([side.deviation for side in sides])
            seen, own = torch.stack([s.luma for s in sides]), [s.own for s in sides if s.own is not None]
            weight = ghosts.side_weights(deviations, seen, torch.stack(own) if own else None).contiguous()
        luma, top = mapped[0], reference.coding.top
        lumas = tuple(Neighbour(side.picture.luma[None], side.flow) for side in sides)
        cubic = self._cubic or (self._settings.careful and len(sides) == 1)
        made = synthesise(lumas, luma[None], weight, shares.luma, (down, across), top, cubic, self._launcher)[
            0
        ]
        if mapped[1] is None:
            return made, None
        pairs = tuple(Neighbour(s.picture.chroma, s.flow) for s in sides if s.picture.chroma is not None)
        x, y = reference.frame.subsampling
        scale = (down / (1 << y), across / (1 << x))
        return made, synthesise(pairs, mapped[1], weight, shares.chroma, scale, top, False, self._launcher)


def _noise(reference: DeviceFrame, raised: Tensor, tone: Tables) -> ghosts.Noise:
    zoom = reference.frame.width / reference.small.shape[1]
    return ghosts.Noise(raised, tone.noise, zoom)


def _errors(sides: Sequence[DeviceSide]) -> Tensor:
    return torch.stack([side.error for side in sides])
