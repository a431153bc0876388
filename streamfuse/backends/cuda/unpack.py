"""Code values to float planes, and planes in the scale of another exposure: `unpack.cu` and its references."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamfuse.backends.cuda.coding import Coding
from streamfuse.backends.cuda.launch import BLOCK, Launcher, blocks, suffix
from streamfuse.backends.cuda.sampling import area, linear


@dataclass(frozen=True, slots=True, eq=False)
class Tone:
    """How luma, R', G' or B' of one exposure maps to another.

    Args:
        table: (nodes,) float32 over [0, 1].
        factor: where the curve is a plain ratio; 0 = look it up.
        before, after: what R' and B' are multiplied by before and after that, where the white balance differs.
    """

    table: Tensor
    factor: float
    before: tuple[float, float] = (1.0, 1.0)
    after: tuple[float, float] = (1.0, 1.0)

    def __call__(self, values: Tensor) -> Tensor:
        """Floats in [0, 1], any shape, in the other exposure's scale: the nearest node, or times the factor."""
        if self.factor > 0:
            return (values * self.factor).clamp(max=1.0)
        last = len(self.table) - 1
        return self.table.to(values.dtype)[(values * last + 0.5).long().clamp(0, last)]

    def colours(self, red: Tensor, green: Tensor, blue: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """R', G' and B', white balance included."""
        return (
            (self(red * self.before[0]) * self.after[0]).clamp(max=1.0),
            self(green),
            (self(blue * self.before[1]) * self.after[1]).clamp(max=1.0),
        )


def unpack(
    codes: Tensor,
    coding: Coding,
    size: tuple[int, int] | None = None,
    gain: float = 1.0,
    launcher: Launcher | None = None,
) -> Tensor:
    """Luma codes (H, W) as float32 (h, w): min(clip((code - black) / range, 0, 1) x gain, 1).

    Args:
        codes: uint8 or uint16.
        coding: of them.
        size: (h, w) to reduce to, by area; a reduced code is rounded, as `cv2.resize` does.
        gain: brings a darker exposure to the scale of a brighter one.
        launcher: None = the torch reference.
    """
    size = size or (codes.shape[0], codes.shape[1])
    if launcher is None:
        return unpack_reference(codes, coding, size, gain)
    out = torch.empty(size, dtype=torch.float32, device=codes.device)
    arguments = (codes, *codes.shape, out, *size, coding.scale, coding.offset, gain)
    launcher("unpack", f"unpack_{suffix(codes)}", blocks(*size), BLOCK, arguments)
    return out


def unpack_reference(
    codes: Tensor, coding: Coding, size: tuple[int, int], gain: float, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Do what `unpack` does, in torch."""
    values = codes.to(dtype)
    if tuple(values.shape) != size:
        values = (area(values, size) + 0.5).floor()
    return ((values * coding.scale + coding.offset).clamp(0, 1) * gain).clamp(max=1.0)


def match(
    luma: Tensor, chroma: Tensor | None, tone: Tone, coding: Coding, launcher: Launcher | None = None
) -> tuple[Tensor, Tensor | None]:
    """Planes in the scale of another exposure, as `streamfuse.imaging.planes.map_planes` brings them there.

    Args:
        luma: (H, W) uint8 or uint16.
        chroma: (2, h, w), Cb and Cr; None of a grey frame.
        tone: towards the other exposure.
        coding: of the frame.
        launcher: None = the torch reference.
    """
    if launcher is None:
        return match_reference(luma, chroma, tone, coding)
    height, width = luma.shape
    nodes, kind = len(tone.table), suffix(luma)
    out_luma = torch.empty_like(luma)
    out_chroma, lost, rows, columns = None, None, 0, 0
    if chroma is not None:
        rows, columns = chroma.shape[1:]
        out_chroma = torch.empty_like(chroma)
        lost = torch.empty((rows, columns), dtype=torch.float32, device=luma.device)
        coloured = (
            luma, height, width, chroma[0], chroma[1], rows, columns, tone.table, nodes, tone.factor,
            *tone.before, *tone.after, coding.kr, coding.kb, coding.black, coding.luma_range, coding.neutral,
            coding.chroma_half, coding.top, out_chroma[0], out_chroma[1], lost,
        )  # fmt: skip
        launcher("unpack", f"match_chroma_{kind}", blocks(rows, columns), BLOCK, coloured)
    arguments = (
        luma, height, width, lost, rows, columns, tone.table, nodes,
        coding.black, coding.luma_range, coding.top, out_luma,
    )  # fmt: skip
    launcher("unpack", f"match_luma_{kind}", blocks(height, width), BLOCK, arguments)
    return out_luma, out_chroma


def match_reference(
    luma: Tensor, chroma: Tensor | None, tone: Tone, coding: Coding, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor | None]:
    """Do what `match` does, in torch."""
    last = len(tone.table) - 1
    table = tone.table.to(dtype)
    position = ((luma.to(dtype) - coding.black) / coding.luma_range).clamp(0, 1) * last
    first = position.floor().long()
    mapped = torch.lerp(table[first], table[(first + 1).clamp(max=last)], position - first)
    codes = (coding.black + mapped * coding.luma_range).round()
    if chroma is None:
        return _coded(codes, coding.top, luma.dtype), None
    small = (area(luma.to(dtype), (chroma.shape[1], chroma.shape[2])) + 0.5).floor()
    own = ((small - coding.black) / coding.luma_range).clamp(0, 1)
    cb, cr = (chroma.to(dtype) - coding.neutral) * (0.5 / coding.chroma_half)
    kr, kb, kg = coding.kr, coding.kb, 1 - coding.kr - coding.kb
    red_scale, blue_scale = 2 * (1 - kr), 2 * (1 - kb)
    red = (own + red_scale * cr).clamp(0, 1)
    green = (own - (blue_scale * kb * cb + red_scale * kr * cr) / kg).clamp(0, 1)
    blue = (own + blue_scale * cb).clamp(0, 1)
    red, green, blue = tone.colours(red, green, blue)
    total = kr * red + kg * green + kb * blue
    pair = torch.stack([(blue - total) / blue_scale, (red - total) / red_scale])
    lost = (tone(own) - total) * coding.luma_range
    codes = codes - linear(lost, (luma.shape[0], luma.shape[1]))
    out_chroma = _coded(pair * 2 * coding.chroma_half + coding.neutral, coding.top, chroma.dtype)
    return _coded(codes, coding.top, luma.dtype), out_chroma


def _coded(values: Tensor, top: float, dtype: torch.dtype) -> Tensor:
    return (values + 0.5).floor().clamp(0, top).to(dtype)
