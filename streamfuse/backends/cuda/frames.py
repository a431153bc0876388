"""Frames on the device: uploaded once, and what the alignment needs of each, made once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamfuse.align.balance import SIDE, Blocks
from streamfuse.backends.cuda.coding import Coding, coding
from streamfuse.backends.cuda.launch import Launcher
from streamfuse.backends.cuda.sampling import linear
from streamfuse.backends.cuda.unpack import Tone, unpack
from streamfuse.core.frame import Frame, Plane
from streamfuse.imaging.photometric import HISTOGRAM_END, NODES, Levels


@dataclass(frozen=True, slots=True, eq=False)
class DeviceFrame:
    """A frame where it is computed with.

    Args:
        frame: where it came from.
        luma: (H, W) codes.
        chroma: (2, h, w) codes, Cb and Cr; None of a grey frame.
        coding: of the codes.
        small: luma at working size, (h, w) float32 in [0, 1].
        rgb: (3, h, w) R'G'B' at working size; None of a grey frame.
        counts: (NODES,) histogram of G' at working size, on its way to the host.
        blocks: (4, r, c) means of R', G' and B' in blocks of the working size and their largest value, likewise; None
            of a grey or tiny frame; see `streamfuse.align.balance`.
        ready: when `counts` and `blocks` are there; None = now.
    """

    frame: Frame
    luma: Tensor
    chroma: Tensor | None
    coding: Coding
    small: Tensor
    rgb: Tensor | None
    counts: Tensor
    blocks: Tensor | None
    ready: torch.cuda.Event | None

    @property
    def peak(self) -> Tensor:
        """Give the largest of R', G' and B', (h, w): the first to clip."""
        return self.small if self.rgb is None else self.rgb.amax(0)

    def brightened(self, tone: Tone) -> Tensor:
        """Luma (h, w) in the scale of a brighter exposure."""
        if self.rgb is None:
            return tone(self.small)
        red, green, blue = tone.colours(*self.rgb)
        kr, kb = self.coding.kr, self.coding.kb
        return red * kr + green * (1 - kr - kb) + blue * kb

    def histogram(self) -> Levels:
        """Of G' at working size; waits for the upload of this frame, not for what is computed with it."""
        if self.ready is not None:
            self.ready.synchronize()
        return self.counts.numpy().astype(np.float64)

    def block_means(self) -> Blocks | None:
        """Colours in blocks, on the host; waits as `histogram` does."""
        if self.blocks is None:
            return None
        if self.ready is not None:
            self.ready.synchronize()
        means = self.blocks.numpy()
        return Blocks(np.ascontiguousarray(means[:3].transpose(1, 2, 0)), means[3])


class Uploader:
    """Brings frames to the device on a stream of its own, so that uploads run beside the fusion.

    Args:
        device: where to.
        launcher: None = the torch references.
    """

    def __init__(self, device: torch.device, launcher: Launcher | None) -> None:
        self._device = device
        self._launcher = launcher
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, frame: Frame, size: tuple[int, int]) -> DeviceFrame:
        """Give the frame on the device, reduced to `size` (rows, columns) as well."""
        if self._stream is None:
            return self._prepare(frame, size)
        main = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            made = self._prepare(frame, size)
        main.wait_stream(self._stream)
        for tensor in (made.luma, made.chroma, made.small, made.rgb):
            if tensor is not None:
                tensor.record_stream(main)
        return made

    def _prepare(self, frame: Frame, size: tuple[int, int]) -> DeviceFrame:
        how = coding(frame.bits, frame.color, frame.height)
        codes = self._upload(frame.planes)
        pixels = frame.height * frame.width
        luma = codes[:pixels].view(frame.height, frame.width)
        chroma = codes[pixels:].view(2, *frame.planes[1].shape) if len(frame.planes) > 1 else None
        small = unpack(luma, how, size, launcher=self._launcher)
        rgb = None if chroma is None else _rgb(small, chroma, how)
        counts = _histogram(small if rgb is None else rgb[1])
        blocks = None if rgb is None else _blocks(rgb)
        if self._stream is None:
            return DeviceFrame(frame, luma, chroma, how, small, rgb, counts, blocks, None)
        host, tiles = _to_host(counts), None if blocks is None else _to_host(blocks)
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record(self._stream)
        return DeviceFrame(frame, luma, chroma, how, small, rgb, host, tiles, ready)

    def _upload(self, planes: tuple[Plane, ...]) -> Tensor:
        """Give all planes in one piece of memory, by one copy to the device."""
        count = sum(plane.size for plane in planes)
        kind = torch.uint8 if planes[0].dtype == np.uint8 else torch.uint16
        # Torch keeps pinned memory that is given back, and gives it out again once its copies are done.
        staged = torch.empty(count, dtype=kind, pin_memory=self._stream is not None)
        whole, begin = staged.numpy(), 0
        for plane in planes:
            whole[begin : begin + plane.size].reshape(plane.shape)[...] = plane
            begin += plane.size
        return staged.to(self._device, non_blocking=True)


def _rgb(luma: Tensor, chroma: Tensor, how: Coding) -> Tensor:
    """(3, h, w) R'G'B' in [0, 1] at the size of the luma."""
    enlarged = linear(chroma.to(torch.float32), (luma.shape[0], luma.shape[1])).round()
    cb, cr = (enlarged - how.neutral) * (0.5 / how.chroma_half)
    red, blue = cr * (2 * (1 - how.kr)), cb * (2 * (1 - how.kb))
    green = -(red * how.kr + blue * how.kb) / (1 - how.kr - how.kb)
    return (luma + torch.stack([red, green, blue])).clamp(0, 1)


def _blocks(rgb: Tensor) -> Tensor | None:
    """(4, r, c): means and the largest value of `SIDE` x `SIDE` pixels; what is left over is left out."""
    rows, columns = rgb.shape[1] // SIDE, rgb.shape[2] // SIDE
    if rows == 0 or columns == 0:
        return None
    tiles = rgb[:, : rows * SIDE, : columns * SIDE].reshape(3, rows, SIDE, columns, SIDE)
    return torch.cat([tiles.mean((2, 4)), tiles.amax((0, 2, 4))[None]])


def _to_host(values: Tensor) -> Tensor:
    """On its way to pinned memory."""
    return torch.empty(values.shape, dtype=values.dtype, pin_memory=True).copy_(values, non_blocking=True)


def _histogram(values: Tensor) -> Tensor:
    bins = (values.flatten() * (NODES / HISTOGRAM_END)).long().clamp(0, NODES - 1)
    counts = torch.zeros(NODES, dtype=torch.float32, device=values.device)
    return counts.scatter_add_(0, bins, torch.ones_like(bins, dtype=torch.float32))
