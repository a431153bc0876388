"""The fusers behind one protocol: maps first, pixels after, so that the maps can be smoothed in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import cv2
import numpy as np

from streamfuse.core.arguments import described
from streamfuse.core.frame import FusionMaps, Map
from streamfuse.core.memory_limit import check_memory_limit
from streamfuse.core.plugins import installed, load
from streamfuse.core.values import FUSERS, PRESET_NETWORK, TONE_MAPS
from streamfuse.errors import UsageError
from streamfuse.fusion.device import is_cpu, resolve_device
from streamfuse.fusion.lcndr_config import LEVELS
from streamfuse.fusion.lcndr_graph import has_graph
from streamfuse.fusion.models import NETWORKS, read_network
from streamfuse.fusion.network_maps import LayerMaps, Maps, TorchMaps
from streamfuse.fusion.octave_maps import SHARE, interpolated, octave_maps
from streamfuse.fusion.threads import limit_threads
from streamfuse.imaging.grid import resample

CHROMA_LEVEL = 2  # the prior whose scale suits the colour: fine enough for edges, free of texture


class FusionMethod(Protocol):
    """Fuses 2..N luma pictures of one instant, (H, W) float32 in [0, 1], darkest first.

    Both methods are called by several threads at a time, for different instants.
    """

    name: str
    device: str

    def weigh(self, lumas: Sequence[Map]) -> FusionMaps:
        """Give the weights of every exposure: for each level of a pyramid, or one map of the full size."""

    def blend(self, lumas: Sequence[Map], maps: FusionMaps) -> Map:
        """Give the fused luma (H, W) float32, nominally in [0, 1], by these maps (smoothed over time meanwhile)."""


class LcndrFuser:
    """LCNDR: the network at low resolution, the blend at full size.

    Args:
        name: one of `NETWORKS` or a .safetensors file.
        device: auto, cpu, cuda, cuda:i.
        threads: as `limit_threads` takes it.
        coarse: the network sees pictures at half the size that it was trained for: a quarter of its time.
        one_thread: the network takes one thread for a picture; its numbers are the same then on every machine.

    Raises:
        WeightsError: no such network.
        DeviceError: no such device.
        UsageError: `threads` below 1.
    """

    def __init__(
        self,
        name: str = "lcndr",
        device: str = "auto",
        threads: int | None = None,
        coarse: bool = False,
        one_thread: bool = False,
    ) -> None:
        self.name = name
        limit_threads(threads)
        config, weights = read_network(name)
        self._long_side = config.long_side // (2 if coarse else 1)
        self.seen_side = max(1, round(SHARE * self._long_side / (1 << LEVELS))) << LEVELS
        """The long side at which the network sees every picture."""
        self.exponents = [max(float(exponent), 0.0) for exponent in weights["sharpness"]]
        """Exponent of the local energy of each of the network's bands, finest first."""
        self._in_torch = partial(_torch_maps, name, device, threads, one_thread)
        self._maps: Maps
        if is_cpu(device) and has_graph(config):
            self.device, self._maps = "cpu", LayerMaps(config, weights)
        else:
            self.device, self._maps = self._in_torch()

    def weigh(self, lumas: Sequence[Map]) -> FusionMaps:
        """Do as `FusionMethod.weigh`; priors are at most a quarter of the network's long side."""
        return self.weigh_small([self.small(luma) for luma in lumas], lumas[0].shape)

    def small(self, luma: Map) -> Map:
        """Give a picture (H, W) as `weigh_small` takes it."""
        extra = max(self.octaves(luma.shape), 0)
        return _halved(luma, extra, 1 << extra)

    def weigh_small(self, small: Sequence[Map], shape: Sequence[int]) -> FusionMaps:
        """Weights of every exposure from small pictures.

        Args:
            small: N arrays float32 in [0, 1], darkest first: the pictures, halved `octaves` times (if it is above 0),
                padded or not.
            shape: (H, W) of the pictures.
        """
        grid = octave_maps((shape[0], shape[1]), self.octaves(shape), self.seen_side)
        (rows, columns), (height, width) = grid.seen, grid.whole
        # A thumbnail is enlarged so much that it shows how.
        how = cv2.INTER_CUBIC if self.octaves(shape) < 0 else cv2.INTER_LINEAR
        seen = [cv2.resize(y[:height, :width], (columns, rows), interpolation=how) for y in small]
        stack = np.clip(np.stack(seen), 0, 1).astype(np.float32, copy=False)
        try:
            maps = self._maps(stack)
        except cv2.error:  # an OpenCV that lacks one of the layers
            self.device, self._maps = self._in_torch()
            maps = self._maps(stack)
        return FusionMaps(*grid.express(*maps, interpolated), grid.coverage)

    def blend(self, lumas: Sequence[Map], maps: FusionMaps) -> Map:
        """Do as `FusionMethod.blend`: in OpenCV on the CPU, in torch on a GPU."""
        extra = self.octaves(lumas[0].shape)
        if self.device == "cpu":
            from streamfuse.fusion.blend import blend_luma
            from streamfuse.fusion.blend_pair import upon

            if len(lumas) == 2 and extra > 0:
                height, width = lumas[0].shape
                padded = [_halved(luma, 0, 1 << (extra + LEVELS)) for luma in lumas]
                base = blend_luma([_halved(luma, extra, 1) for luma in padded], maps, self.exponents, 0)
                return upon(base, padded, maps, self.exponents[0], extra)[:height, :width]
            return blend_luma(lumas, maps, self.exponents, extra)
        import torch

        from streamfuse.fusion.torch_blend import blend_luma_torch

        with torch.inference_mode():
            stack = torch.stack([torch.from_numpy(y).to(self.device, non_blocking=True) for y in lumas])
            fused: Map = blend_luma_torch(stack, maps, self.exponents, extra).cpu().numpy()
            return fused

    def octaves(self, shape: Sequence[int]) -> int:
        """Tell how many times a picture (H, W) is halved down to the network's levels; below 0: enlarged that often.

        Its long side is in (largest / 2, largest] then, so that a picture and its double are blended alike. At most
        `LEVELS` times enlarged: there it has the base of the pyramid and no band.
        """
        largest = self._long_side
        long_side, octaves = max(shape), 0
        while long_side > largest:
            long_side, octaves = (long_side + 1) // 2, octaves + 1
        while 2 * long_side <= largest and octaves > -LEVELS:
            long_side, octaves = 2 * long_side, octaves - 1
        return octaves


def _torch_maps(name: str, device: str, threads: int | None, one_thread: bool) -> tuple[str, Maps]:
    """Give the name of the device, and the network in torch there."""
    import torch

    from streamfuse.fusion.models import load_network

    limited = limit_threads(threads)  # torch's, too, now that it is there
    found = resolve_device(device)
    network = load_network(name).to(found)
    if found.type == "cpu":
        # Channels last is what the convolutions of a CPU work in: a seventh of the time of the whole network.
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return str(found), TorchMaps(network, 1 if one_thread else limited, lent=one_thread and limited > 1)


def _halved(luma: Map, times: int, multiple: int) -> Map:
    """Halve a picture, to means of 2x2 pixels, after repeating its border up to a multiple."""
    bottom, right = -luma.shape[0] % multiple, -luma.shape[1] % multiple
    padded: Map = luma
    if bottom or right:
        padded = np.asarray(cv2.copyMakeBorder(luma, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.float32)
    if times == 0:
        return padded
    size = (padded.shape[1] >> times, padded.shape[0] >> times)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), np.float32)


class MertensFuser:
    """Exposure fusion after Mertens et al. (2007) on luma: the classical baseline."""

    name = "mertens"
    device = "cpu"

    def weigh(self, lumas: Sequence[Map]) -> FusionMaps:
        """Give one full-size weight map for all levels."""
        from streamfuse.fusion.mertens import mertens_weights

        return FusionMaps((mertens_weights(lumas),))

    def blend(self, lumas: Sequence[Map], maps: FusionMaps) -> Map:
        """Laplacian-pyramid blend with Gaussian pyramids of the weights."""
        from streamfuse.fusion.mertens import blend_pyramid

        return blend_pyramid(lumas, maps.priors[0])


def create_fuser(
    name: str | Path | None = None,
    *,
    preset: str = "balanced",
    device: str = "auto",
    threads: int | None = None,
    coarse: bool = False,
    one_thread: bool = False,
) -> FusionMethod:
    """Make the fuser called `name`: `mertens`, one of `NETWORKS`, a .safetensors file, or one of another package
    (see `streamfuse.core.plugins`); None takes the preset's network.

    Every way to fuse comes through here, so this is where the threads of torch and OpenCV are limited.

    Args:
        name, preset: which fuser.
        device, threads, coarse, one_thread: as in `LcndrFuser`.

    Raises:
        UsageError: no such fuser or preset, or `threads` below 1.
        WeightsError, DeviceError: as `LcndrFuser`; DeviceError, too, where the limit on memory is too low.
    """
    check_memory_limit()
    if not isinstance(preset, str) or preset not in PRESET_NETWORK:
        raise UsageError(f"There is no preset {_quoted(preset)}; choose from {', '.join(PRESET_NETWORK)}.")
    if not isinstance(name, str | Path | None):
        raise UsageError(f"fuser has to be a name or a .safetensors file, and is {described(name)}.")
    name = None if name is None else str(name)
    if name == "mertens":
        limit_threads(threads)
        return MertensFuser()
    if name is None:
        return LcndrFuser(PRESET_NETWORK[preset], device, threads, coarse, one_thread)
    if name in NETWORKS or name.endswith(".safetensors"):
        return LcndrFuser(name, device, threads, coarse, one_thread)
    if name in TONE_MAPS:
        raise UsageError(
            f"{name} tone-maps what a whole film's exposures tell of light: use it with `streamfuse fuse` and `batch`, "
            "or take another fuser."
        )
    others = installed("streamfuse.fusers")
    if name in others:
        limit_threads(threads)
        return cast(Callable[[str], FusionMethod], load("streamfuse.fusers", name))(device)
    raise UsageError(f"There is no fuser {name!r}; choose from {', '.join((*FUSERS, *others))}.")


def _quoted(value: object) -> str:
    return repr(value) if isinstance(value, str) else described(value)


def chroma_weights(maps: FusionMaps, size: tuple[int, int]) -> Map:
    """(N, *size): the prior by which colour is weighted, on a chroma grid."""
    prior = maps.priors[min(CHROMA_LEVEL, len(maps.priors) - 1)]
    return np.stack([resample(p, size, coverage=maps.coverage) for p in prior])
