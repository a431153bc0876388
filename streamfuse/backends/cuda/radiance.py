"""High dynamic range on a device: brackets in, coded radiance out; `fusion.radiance` says how, and this computes it.

What the exposures mean is found by `ExposureScale` on the host, of the few pixels that it asks for, which are waited
for; tables and rules are those of the CPU. All arithmetic is torch: there is no kernel of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from streamfuse.align.policy import AlignSettings
from streamfuse.backends.cuda.align import DeviceAligner, DeviceBracket
from streamfuse.backends.cuda.launch import launcher_for
from streamfuse.backends.cuda.stage import working_on
from streamfuse.core.color_info import chroma_range, luma_range
from streamfuse.core.frame import Bracket, FusedFrame, Map, Plane
from streamfuse.core.protocols import Stage
from streamfuse.fusion import radiance as rule
from streamfuse.fusion import radiance_rows as rows
from streamfuse.fusion.radiance import HdrTarget, Rendering
from streamfuse.fusion.radiance_scale import ExposureScale, Meaning, pixels


class DeviceRadiance(Stage[Bracket, FusedFrame]):
    """Bracket -> FusedFrame in high dynamic range: align and merge on one device; one thread drives it.

    Args:
        device: where.
        settings: of the alignment; "global" is not there.
        target: what radiance is coded as.
        dimmed: as in `RadianceStage`.
    """

    name = "radiance"

    def __init__(
        self,
        device: torch.device,
        settings: AlignSettings,
        target: HdrTarget,
        dimmed: Callable[[int], float] = lambda _: 1.0,
    ) -> None:
        self.device = str(device)
        self._align = DeviceAligner(
            device,
            launcher_for(device),
            settings.preset,
            "off" if settings.mode == "off" else "flow",
            settings.ghost,
            settings.rate,
            denoise=settings.denoise,
            careful=settings.careful,
        )
        self._device, self._target, self._dimmed = device, target, dimmed
        self._scale = ExposureScale(target.white_ev, target.grey)

    @torch.inference_mode()
    def push(self, item: Bracket) -> Iterable[FusedFrame]:
        """Give one for one.

        Raises:
            DeviceError: the device has too little memory.
        """
        with working_on(self._device, item.reference):
            return self._push(item)

    def _push(self, item: Bracket) -> Iterable[FusedFrame]:
        aligned, target, frame = self._align(item), self._target, item.reference
        meaning = self._scale(item, aligned.balances, lambda: _picked(aligned))
        light = rule.light_left(self._dimmed(frame.index), meaning.transfer)
        planes, radiance = merged(
            aligned, meaning, rule.coded_for(target, frame, meaning, light), target.keep
        )
        white = 2.0**-meaning.white_ev / light
        untrusted = float(aligned.untrusted)
        return (rule.fused_frame(item, planes, radiance, untrusted, target, white),)


def _picked(aligned: DeviceBracket) -> list[tuple[Plane, ...]]:
    """Do as `radiance_scale.picked`."""
    lumas, size = aligned.lumas, tuple(aligned.lumas.shape[1:])
    stacks = [lumas] if aligned.chroma is None else [lumas, *aligned.chroma]
    planes = []
    for stack in stacks:
        down, across = (torch.from_numpy(at).to(stack.device) for at in pixels(size, tuple(stack.shape[1:])))
        few = stack.to(torch.int32).index_select(1, down).index_select(2, across)
        planes.append(few.cpu().numpy().astype(aligned.bracket.reference.luma.dtype))
    return list(zip(*planes, strict=True))


def merged(
    aligned: DeviceBracket, meaning: Meaning, coded: Rendering, keep: bool = False
) -> tuple[tuple[Plane, ...], Map | None]:
    """Do as `fusion.radiance.merged`, of exposures on a device; what is given is on the host."""
    frame, lumas = aligned.bracket.reference, aligned.lumas[: len(meaning.gaps_ev)]
    light = _light(lumas, aligned.chroma, meaning, aligned)
    planes = _coded(light, _placed(coded, lumas.device), coded.knee, frame.subsampling)
    count = 3 if aligned.chroma is not None else 1
    # Codes of 10 bit: int16 holds them, and is brought to the host as it is.
    host = tuple(plane.to(torch.int16).cpu().numpy().view(np.uint16) for plane in planes[:count])
    return host, light.permute(1, 2, 0).contiguous().cpu().numpy() if keep else None


def _light(lumas: Tensor, chroma: Tensor | None, meaning: Meaning, aligned: DeviceBracket) -> Tensor:
    """Radiance (3, H, W) of codes (N, H, W) and (2, N, h, w)."""
    frame = aligned.bracket.reference
    color, bits = frame.color, frame.bits
    how = _tables(
        rule.tables(meaning.gaps_ev, meaning.gains, meaning.transfer, bits, color.full_range), lumas.device
    )
    black, white = luma_range(bits, color.full_range)
    neutral, half = chroma_range(bits, color.full_range)
    red, green_blue, green_red, blue = (float(one) for one in rule.differences_to_rgb(color, frame.height))
    shape = (3, *lumas.shape[1:])
    total, sums, least = (torch.zeros(shape, device=lumas.device) for _ in range(3))
    settled = torch.zeros(shape[1:], dtype=torch.bool, device=lumas.device)
    luma = brighter = total[0]
    top = len(how.light) - 1
    for k in range(len(lumas) - 1, -1, -1):
        luma = (lumas[k].to(torch.float32) - black) * (1 / (white - black))
        codes = luma.expand(shape)
        if chroma is not None:
            cb, cr = (
                (_enlarged(one[k].to(torch.float32), shape[1:], frame.subsampling) - neutral) * (0.5 / half)
                for one in chroma
            )
            codes = luma + torch.stack([red * cr, -green_blue * cb - green_red * cr, blue * cb])
        channel, seen, part = how.far[k]
        beyond = (codes > channel) | ((luma > seen) & (luma > part * brighter))
        brighter = luma
        total, sums, least = (torch.where(beyond, 0.0, one) for one in (total, sums, least))
        asked = ~settled | beyond.any(0)
        node = _node(codes, top)
        kept, shown = _unclipped(node / top), how.light[node] * how.scales[k][:, None, None]
        weight = (how.weights[k][_node(luma, top)] * kept + how.floors[k]) * asked
        total, sums = total + weight, sums + weight * shown
        open_ = kept.prod(0) == 1
        least = torch.where(asked & ~open_, torch.maximum(least, (1 - kept) * shown), least)
        settled = torch.where(asked, open_ & how.sure[k], settled)
    return torch.maximum(sums / total, least)


def _enlarged(plane: Tensor, size: tuple[int, ...], subsampling: tuple[int, int]) -> Tensor:
    """Chroma at the size of luma: midway between two lines, and at the left of the pixels that share a sample."""
    (height, width), (across, down) = size, subsampling
    device = plane.device
    place = (torch.arange(height, device=device) + 0.5) / (1 << down) - 0.5
    above, last = place.floor().long(), plane.shape[0] - 1
    near, far = plane[above.clamp(0, last)], plane[(above + 1).clamp(0, last)]
    lines = torch.lerp(near, far, (place - above)[:, None])
    place = torch.arange(width, device=device) / (1 << across)
    left = place.floor().long()
    right = (left + 1).clamp(max=plane.shape[1] - 1)
    return torch.lerp(lines[:, left], lines[:, right], place - left)


def _unclipped(values: Tensor) -> Tensor:
    """Do as `radiance_rows._unclipped`."""
    end, per = (float(one) for one in rule.FADE)
    part = ((end - values) * per).clamp(0, 1)
    return part * part * (3 - 2 * part)


def _node(values: Tensor, top: int) -> Tensor:
    return (values.clamp(0, 1) * top + 0.5).long()


def _coded(
    light: Tensor, coded: _DeviceRendering, knee: np.float32, subsampling: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Y (H, W), Cb and Cr (h, w), floats that are rounded when they are cut to whole numbers."""
    nits = torch.einsum("ij,jhw->ihw", coded.matrix, light)
    largest = nits.amax(0)
    nits = torch.where(largest > float(knee), nits * coded.gain[_step(largest)], nits)
    red, green, blue = coded.signal[_step(nits)]
    weights, scale = coded.luma, coded.codes
    y = weights[0] * red + weights[1] * green + weights[2] * blue
    pair = torch.stack([(blue - y) * weights[3], (red - y) * weights[4]])
    cb, cr = _reduced(pair, subsampling) * scale[2] + scale[3]
    return y * scale[0] + scale[1], cb, cr


def _step(values: Tensor) -> Tensor:
    """See `radiance_rows.luminances`: bits of a float are as good as its logarithm."""
    steps = (rows.HIGHEST - rows.LOWEST) * rows.PER_OCTAVE
    places = values.contiguous().view(torch.int32) >> (23 - (rows.PER_OCTAVE.bit_length() - 1))
    return (places - (127 + rows.LOWEST) * rows.PER_OCTAVE).clamp(0, steps - 1).long()


def _reduced(planes: Tensor, subsampling: tuple[int, int]) -> Tensor:
    """Planes (2, H, W) as samples: the mean of the lines that share one, and a triangle across."""
    across, down = (1 << one for one in subsampling)
    height, width = planes.shape[1:]
    line = torch.arange(0, height, down, device=planes.device)
    lines = [planes[:, torch.clamp(line + n, max=height - 1)] for n in range(down)]
    lost = height % down  # lines that the last sample has, if not all
    planes = torch.stack(lines).mean(0)
    if lost:
        planes[:, -1] = torch.stack([one[:, -1] for one in lines[:lost]]).mean(0)
    at = torch.arange(0, width, across, device=planes.device)
    total = torch.zeros_like(planes[:, :, at])
    for offset in range(1 - across, across):
        share = (across - abs(offset)) / across**2
        total += share * planes[:, :, torch.clamp(at + offset, 0, width - 1)]
    return total


@dataclass(frozen=True, slots=True, eq=False)
class _DeviceTables:
    """`fusion.radiance.Tables`, on a device."""

    light: Tensor
    weights: Tensor
    floors: Tensor
    sure: Tensor
    far: Tensor
    scales: Tensor


@lru_cache(maxsize=8)
def _tables(tables: rule.Tables, device: torch.device) -> _DeviceTables:
    one = tables
    every = one.light, one.weights, one.floors, one.sure, one.far, one.scales
    return _DeviceTables(*(torch.from_numpy(table).to(device) for table in every))


@dataclass(frozen=True, slots=True, eq=False)
class _DeviceRendering:
    """`Rendering`, on a device."""

    matrix: Tensor
    gain: Tensor
    signal: Tensor
    luma: Tensor
    codes: Tensor


@lru_cache(maxsize=4)
def _placed(coded: Rendering, device: torch.device) -> _DeviceRendering:
    every = coded.matrix, coded.gain, coded.signal, coded.luma, coded.codes
    return _DeviceRendering(*(torch.from_numpy(table).to(device) for table in every))
