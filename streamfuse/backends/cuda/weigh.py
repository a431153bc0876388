"""The network on the device: half-precision, static shapes, recorded as a CUDA graph; or float32 for parity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from streamfuse.backends.cuda.blend import DeviceMaps, gaussian
from streamfuse.backends.cuda.coding import Coding
from streamfuse.backends.cuda.grain import grained
from streamfuse.backends.cuda.graph import Graphed
from streamfuse.backends.cuda.launch import Launcher
from streamfuse.backends.cuda.unpack import unpack_reference
from streamfuse.fusion.lcndr import Lcndr
from streamfuse.fusion.lcndr_config import LEVELS
from streamfuse.fusion.pyramid import pad_to_multiple

Precision = Literal["bf16", "fp32"]


class DeviceWeigher:
    """Codes (N, H, W) of one instant -> the network's maps, and the pyramid that the blend needs as well.

    Args:
        network: in float32; it is moved to the device.
        device: where.
        launcher: None = the torch references.
        precision: "bf16" runs the convolutions in bfloat16 where the device is a GPU; "fp32" has no reduced
            precision anywhere, TF32 included.
        graphs: record the network as a CUDA graph.
    """

    def __init__(
        self,
        network: Lcndr,
        device: torch.device,
        launcher: Launcher | None,
        precision: Precision = "bf16",
        graphs: bool = True,
    ) -> None:
        self._network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device, self._launcher = device, launcher
        self._half = precision == "bf16" and device.type == "cuda"
        self._graphed = Graphed(self._run, graphs)

    def __call__(
        self,
        lumas: Tensor,
        coding: Coding,
        extra: int,
        taken: Mapping[int, Tensor] = MappingProxyType({}),
        index: int = 0,
    ) -> tuple[DeviceMaps, Sequence[Tensor]]:
        """Maps, and `streamfuse.backends.cuda.blend.gaussian` of the lumas (empty where the references run).

        Args:
            lumas: (N, H, W), darkest first.
            coding: of the codes.
            extra: how many times the picture is halved before the network sees it, or enlarged if below 0.
            taken: rank -> codes (H, W) of a frame that was taken in this exposure, for those that were made.
            index: of the frame whose instant this is.
        """
        stack, pyramid = self._halved(lumas, coding, extra)
        if taken:
            stack = stack.clone()  # its pyramid stays as it is, for the blend
            for rank, luma in taken.items():
                like, _ = self._halved(luma[None], coding, extra)
                stack[0, rank] = grained(stack[0, rank], like[0, 0], index)
        if extra < 0:
            enlarged = F.interpolate(stack, scale_factor=1 << -extra, mode="bicubic", align_corners=False)
            stack = enlarged.clamp(0, 1)
        found = [m.clone() for m in self._graphed(stack)]
        priors, gains = found[: LEVELS + 1], found[LEVELS + 1 :]
        rows, columns = (side * 2.0**extra for side in stack.shape[-2:])
        coverage = (rows / lumas.shape[1], columns / lumas.shape[2])
        return DeviceMaps(tuple(p[0] for p in priors), tuple(g[0, 0] for g in gains), coverage), pyramid

    def _halved(self, lumas: Tensor, coding: Coding, extra: int) -> tuple[Tensor, Sequence[Tensor]]:
        """(1, N, h, w) float32: the picture padded for the whole pyramid, and halved if `extra` is above 0."""
        levels = extra + LEVELS
        if self._launcher is not None and extra > 0:
            pyramid = gaussian(lumas, coding, levels, self._launcher)
            return pyramid[extra - 1][None], pyramid
        size = (lumas.shape[1], lumas.shape[2])
        stack = torch.stack([unpack_reference(y, coding, size, 1.0) for y in lumas.unbind(0)])
        padded = pad_to_multiple(stack[None], 1 << levels)
        return F.avg_pool2d(padded, 1 << extra) if extra > 0 else padded, ()

    def _run(self, stack: Tensor) -> list[Tensor]:
        with torch.inference_mode(), self._arithmetic():
            maps = self._network.maps(stack)
            # Priors come in the blend's order; each is made contiguous for the kernels.
            return [m.float().contiguous() for m in (*maps.priors, *maps.gains)]

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        if self._half:
            with torch.autocast(self._device.type, torch.bfloat16):
                yield
            return
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
