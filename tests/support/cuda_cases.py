"""Inputs for the kernels' tests: small pictures, flows and maps, made from a seed."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamfuse.backends.cuda.blend import DeviceMaps
from streamfuse.backends.cuda.coding import Coding, coding
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure, Frame

# height, width: square, odd, wide, the size of a tile and next to it
SIZES = [(16, 16), (33, 31), (45, 130), (64, 32), (97, 201)]
LARGE = (481, 641)
# size, bits, full range
FORMATS = [
    ((16, 16), 8, False),
    ((33, 31), 8, True),
    ((45, 130), 10, False),
    ((64, 32), 16, True),
    ((97, 201), 16, False),
    (LARGE, 8, False),
]
EXPONENTS = (0.3, 0.1, 0.25, 0.0, 0.4)


def the_coding(bits: int = 8, full_range: bool = False) -> Coding:
    return coding(bits, ColorInfo(matrix=1, full_range=full_range), 480)


def codes(shape: tuple[int, ...], bits: int, seed: int) -> Tensor:
    """Smooth pictures with noise and clipped areas."""
    torch.manual_seed(seed)
    rough = torch.rand(*shape[:-2], max(2, shape[-2] // 8), max(2, shape[-1] // 8)).reshape(
        -1, 1, max(2, shape[-2] // 8), max(2, shape[-1] // 8)
    )
    smooth = F.interpolate(rough, size=shape[-2:], mode="bicubic").reshape(shape)
    values = (smooth * 1.3 - 0.15 + 0.03 * torch.randn(shape)).clamp(0, 1) * ((1 << bits) - 1)
    return values.round().to(torch.uint8 if bits == 8 else torch.uint16)


def floats(shape: tuple[int, ...], seed: int) -> Tensor:
    return codes(shape, 16, seed).to(torch.float32) / 65535


def a_flow(rows: int, columns: int, seed: int, reach: float = 3.0) -> Tensor:
    """(2, rows, columns): smooth, with a part that points far outside."""
    torch.manual_seed(seed)
    flow = F.interpolate(torch.randn(1, 2, 4, 4), size=(rows, columns), mode="bicubic")[0] * reach
    flow[:, : max(1, rows // 6), : max(1, columns // 6)] -= 1e3
    return flow.contiguous()


def the_maps(height: int, width: int, count: int, extra: int, seed: int, gains: bool = True) -> DeviceMaps:
    """Priors at 1/4, 1/8, 1/16 and 1/32 of the network's scale, gains at 1/4."""
    torch.manual_seed(seed)
    multiple = 1 << (extra + len(EXPONENTS))
    rows, columns = (int(-(-side // multiple) * multiple / 2.0**extra) for side in (height, width))
    raw = [torch.rand(count, rows // s, columns // s) + 0.01 for s in (4, 4, 4, 8, 16, 32)]
    return DeviceMaps(
        tuple(r / r.sum(0) for r in raw),
        tuple(torch.rand(rows // 4, columns // 4) + 0.5 for _ in range(3 if gains else 0)),
        (rows * 2.0**extra / height, columns * 2.0**extra / width),
    )


def clip(
    count: int, bits: int = 8, subsampling: tuple[int, int] | None = (1, 1), known: bool = True
) -> list[Frame]:
    """A moving scene of 160x96, in turns under- and overexposed by 3 EV; `known`: its exposures are."""
    noise = np.random.default_rng(0).random((96, 160 + 2 * count), np.float32)
    scene = sum(
        cv2.normalize(cv2.GaussianBlur(noise, (0, 0), s), None, 0, 0.5, cv2.NORM_MINMAX) for s in (2.0, 12.0)
    )
    frames = []
    for index in range(count):
        ev, white = 3.0 * (index % 2), (1 << bits) - 1
        light = 0.002 * 500.0 ** scene[:, 2 * index : 2 * index + 160] * 2.0**ev
        luma = np.round(np.clip(light, 0, 1) ** (1 / 2.2) * white).astype(
            np.uint8 if bits == 8 else np.uint16
        )
        planes = [luma]
        if subsampling is not None:
            half = (luma[:: 1 << subsampling[1], :: 1 << subsampling[0]] - white / 2) * 0.2 + (
                1 << (bits - 1)
            )
            planes += [np.round(half).astype(luma.dtype)] * 2
        frames.append(
            Frame(
                tuple(planes), bits, subsampling or (0, 0), ColorInfo(1, full_range=True), index,
                Fraction(1, 25), index, Exposure(time_us=1000 * 2**ev) if known else None,
            )
        )  # fmt: skip
    return frames
