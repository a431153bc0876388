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
from streamfuse.backends.cuda.device_grain import grained
from streamfuse.backends.cuda.graph import Graphed
from streamfuse.backends.cuda.launch import Launcher
from streamfuse.backends.cuda.unpack import unpack_reference
from streamfuse.fusion.lcndr import Lcndr
from streamfuse.fusion.lcndr_config import LEVELS
from streamfuse.fusion.octave_maps import OctaveMaps, octave_maps
from streamfuse.fusion.pyramid import pad_to_multiple

Precision = Literal["bf16", "fp32"]


class DeviceWeigher:
    """Codes (N, H, W) of one instant -> the network's maps, and the pyramid that the blend needs as well.

    Args:
        network: in float32; it is moved to the device.
        seen_side: long side at which it sees every picture, see `LcndrFuser`.
        device: where.
        launcher: None = the torch references.
        precision: "bf16" runs the convolutions in bfloat16 where the device is a GPU; "fp32" has no reduced
            precision anywhere, TF32 included.
        graphs: record the network as a CUDA graph.
    """

    def __init__(
        self,
        network: Lcndr,
        seen_side: int,
        device: torch.device,
        launcher: Launcher | None,
        precision: Precision = "bf16",
        graphs: bool = True,
    ) -> None:
        self._network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device, self._launcher = device, launcher
        self._half = precision == "bf16" and device.type == "cuda"
        self._graphed = Graphed(self._run, graphs)
        self._seen_side = seen_side
        self._grids: dict[tuple[tuple[int, int], int], OctaveMaps[Tensor]] = {}

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
            extra: `LcndrFuser.octaves` of the picture.
            taken: rank -> codes (H, W) of a frame that was taken in this exposure, for those that were made.
            index: of the frame whose instant this is.
        """
        grid = self._grid((lumas.shape[1], lumas.shape[2]), extra)
        octave, pyramid = self._halved(lumas, coding, extra)
        if taken:
            octave = octave.clone()  # its pyramid stays as it is, for the blend
            for rank, luma in taken.items():
                like, _ = self._halved(luma[None], coding, extra)
                octave[0, rank] = grained(octave[0, rank], like[0, 0], index)
        whole = octave[..., : grid.whole[0], : grid.whole[1]]
        how = "bicubic" if extra < 0 else "bilinear"
        seen = F.interpolate(whole, grid.seen, mode=how, align_corners=False)
        found = self._graphed(seen.clamp(0, 1).contiguous())
        priors, gains = grid.express(
            [m[0] for m in found[: LEVELS + 1]], [m[0, 0] for m in found[LEVELS + 1 :]]
        )
        return DeviceMaps(priors, gains, grid.coverage), pyramid

    def _grid(self, shape: tuple[int, int], extra: int) -> OctaveMaps[Tensor]:
        found = self._grids.get((shape, extra))
        if found is None:
            matrices = octave_maps(shape, extra, self._seen_side)
            found = matrices.converted(lambda matrix: torch.from_numpy(matrix).to(self._device))
            self._grids[shape, extra] = found
        return found

    def _halved(self, lumas: Tensor, coding: Coding, extra: int) -> tuple[Tensor, Sequence[Tensor]]:
        """(1, N, h, w) float32: the picture, halved if `extra` is above 0, padded or not."""
        if self._launcher is not None and extra > 0:
            pyramid = gaussian(lumas, coding, extra + LEVELS, self._launcher)
            return pyramid[extra - 1][None], pyramid
        size = (lumas.shape[1], lumas.shape[2])
        stack = torch.stack([unpack_reference(y, coding, size, 1.0) for y in lumas.unbind(0)])[None]
        return (F.avg_pool2d(pad_to_multiple(stack, 1 << extra), 1 << extra) if extra > 0 else stack), ()

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
