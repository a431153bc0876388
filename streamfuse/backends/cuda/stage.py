"""Fusion on the device: brackets in, fused frames out; in between nothing leaves the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from streamfuse.backends.cuda.align import DeviceAligner
from streamfuse.backends.cuda.blend import blend
from streamfuse.backends.cuda.finish import fuse_chroma, pack_luma
from streamfuse.backends.cuda.launch import launcher_for
from streamfuse.backends.cuda.level import DeviceLeveller
from streamfuse.backends.cuda.smooth import DeviceInstant, DeviceSmoother
from streamfuse.backends.cuda.weigh import DeviceWeigher, Precision
from streamfuse.core.frame import (
    AlignedBracket,
    Bracket,
    Frame,
    FusedFrame,
    FusionMaps,
    Plane,
    WeighedBracket,
)
from streamfuse.core.protocols import Stage
from streamfuse.core.values import Preset, Rate
from streamfuse.errors import DeviceError
from streamfuse.fusion.fuser import CHROMA_LEVEL, LcndrFuser
from streamfuse.fusion.models import load_network

_IN_FLIGHT = 1  # frames that may still be computed while the next one is queued


@dataclass(frozen=True, slots=True)
class DeviceFusionSettings:
    """How the fusion on the device works.

    Args:
        preset, ghost, rate, denoise, coarse: of the alignment, as `streamfuse.align.Aligner` takes them.
        mode: of the alignment; "global" is not there.
        smooth: smooth the maps over time, and level what alternates in the whole picture.
        ahead: look at the next instant for that, and compute while it is queued; False, for live runs: each frame is
            waited for and given at once.
        precision: of the network.
        graphs: use CUDA graphs.
        dither: add an ordered pattern before rounding; off, the result is that of the CPU path to one code value.
    """

    preset: Preset = "balanced"
    mode: Literal["flow", "off"] = "flow"
    ghost: bool = True
    rate: Rate = "full"
    smooth: bool = True
    precision: Precision = "bf16"
    graphs: bool = True
    dither: bool = False
    denoise: bool = True
    coarse: bool = False
    ahead: bool = True


class DeviceFusion(Stage[Bracket, FusedFrame]):
    """`Bracket` -> `FusedFrame`: align, weigh, smooth and blend on one device. A pipeline stage; one thread drives it.

    Each frame goes up once and each fused frame comes down once. Work is queued and not waited for: a fused frame is
    given when the next one has been queued. On a CPU the same code runs through the torch references: slow, and
    meant for tests.

    Args:
        fuser: the network, and where it runs.
        settings: see there.
        keep: let each frame carry what it was made of, which is then fetched to the host.
    """

    def __init__(
        self,
        fuser: LcndrFuser,
        settings: DeviceFusionSettings | None = None,
        *,
        keep: bool = False,
    ) -> None:
        settings = settings or DeviceFusionSettings()
        self._settings = settings
        self._keep = keep
        self._fuser = fuser
        self._device = torch.device(fuser.device)
        self._launcher = launcher_for(self._device)
        self._align = DeviceAligner(
            self._device,
            self._launcher,
            settings.preset,
            settings.mode,
            settings.ghost,
            settings.rate,
            settings.graphs,
            settings.denoise,
            settings.coarse,
        )
        network = load_network(fuser.name)
        self._weigh = DeviceWeigher(
            network, fuser.seen_side, self._device, self._launcher, settings.precision, settings.graphs
        )
        self._smoother, self._leveller = DeviceSmoother(settings.ahead), DeviceLeveller()
        self._downloads: deque[_Download] = deque()

    @torch.inference_mode()
    def push(self, item: Bracket) -> Iterable[FusedFrame]:
        """Queue one bracket; give the frames that are not the newest in the queue.

        Raises:
            DeviceError: the device has too little memory.
        """
        with working_on(self._device, item.reference):
            return self._push(item)

    def _push(self, item: Bracket) -> list[FusedFrame]:
        instant = self._instant(item)
        if not self._settings.smooth:
            self._finish(instant)
        else:
            for smoothed in self._smoother.push(instant):
                self._finish(smoothed)
        return list(self._done(_IN_FLIGHT if self._settings.ahead else 0))

    def restart(self) -> None:
        """Begin to smooth anew: the next bracket is not of the instant after the last one."""
        self._smoother = DeviceSmoother(self._settings.ahead)

    @torch.inference_mode()
    def flush(self) -> Iterable[FusedFrame]:
        """Give the last instant, and all that is in the queue."""
        if (newest := self._smoother.newest) is not None:
            with working_on(self._device, newest.aligned.bracket.reference):
                for smoothed in self._smoother.flush():
                    self._finish(smoothed)
        return list(self._done(0))

    def _instant(self, item: Bracket) -> DeviceInstant:
        aligned = self._align(item)
        extra = self._fuser.octaves(aligned.lumas.shape[1:])
        coding, index = aligned.reference.coding, item.reference.index
        maps, pyramid = self._weigh(aligned.lumas, coding, extra, aligned.taken, index)
        return DeviceInstant(aligned, maps, pyramid)

    def _finish(self, instant: DeviceInstant) -> None:
        """Queue the blend of one instant and the download of its result."""
        aligned, maps = instant.aligned, instant.maps
        if aligned.bracket.alone:
            self._downloads.append(_Download(instant, None))
            return
        coding, lumas, chroma = aligned.reference.coding, aligned.lumas, aligned.chroma
        extra = self._fuser.octaves(lumas.shape[1:])
        fused = blend(lumas, coding, maps, self._fuser.exponents, extra, self._launcher, instant.pyramid)
        if self._settings.smooth and (more := self._leveller(aligned, fused)) is not None:
            fused = fused + more
        height, width = lumas.shape[1:]
        pixels = height * width
        colours = 0 if chroma is None else chroma[:, 0].numel()
        codes = torch.empty(pixels + colours, dtype=lumas.dtype, device=self._device)
        dither = self._settings.dither
        pack_luma(fused, coding, codes[:pixels].view(height, width), dither, self._launcher)
        if chroma is not None:
            out = codes[pixels:].view(2, *chroma.shape[2:])
            prior = maps.priors[min(CHROMA_LEVEL, len(maps.priors) - 1)]
            fuse_chroma(lumas, fused, chroma, prior, maps.coverage, coding, out, dither, self._launcher)
        self._downloads.append(_Download(instant, codes))

    def _done(self, keep: int) -> Iterator[FusedFrame]:
        while len(self._downloads) > keep:
            done = self._downloads.popleft()
            frame = done.frame()
            yield replace(frame, made_of=on_host(done.instant)) if self._keep else frame


@contextmanager
def working_on(device: torch.device, frame: Frame) -> Iterator[None]:
    """Work on this device, for a frame of this size; what goes wrong is said in a sentence."""
    try:
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"The memory of {device} does not hold frames of {frame.width}x{frame.height}; use device cpu."
        ) from error


class _Download:
    """A fused picture on its way to the host; `codes` None: the reference passes as it is, nothing is waited for."""

    def __init__(self, instant: DeviceInstant, codes: Tensor | None) -> None:
        self.instant = instant
        untrusted = instant.aligned.untrusted
        self._event = None
        if codes is not None and codes.device.type == "cuda":
            # Torch keeps pinned memory that is given back: after the first frames nothing is allocated any more.
            codes, untrusted = (
                torch.empty(t.shape, dtype=t.dtype, pin_memory=True).copy_(t, non_blocking=True)
                for t in (codes, untrusted)
            )
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()
        self._codes, self._untrusted = codes, untrusted

    def frame(self) -> FusedFrame:
        """Give the fused frame; waits until it is there."""
        if self._event is not None:
            self._event.synchronize()
        bracket = self.instant.aligned.bracket
        reference = bracket.reference
        planes = reference.planes if self._codes is None else _cut(self._codes.numpy(), reference.planes)
        return FusedFrame.of_bracket(bracket, planes, float(self._untrusted))


def on_host(instant: DeviceInstant) -> WeighedBracket:
    """Give all that a fused frame was made of but its motion, off the device; waits until it is there."""
    aligned, maps = instant.aligned, instant.maps
    lumas = aligned.lumas.cpu().numpy()
    chroma = () if aligned.chroma is None else aligned.chroma.cpu().numpy()
    return WeighedBracket(
        AlignedBracket(
            bracket=aligned.bracket,
            exposures=tuple((luma, *(planes[rank] for planes in chroma)) for rank, luma in enumerate(lumas)),
            gaps_ev=aligned.gaps_ev,
            trust=tuple(None if trust is None else trust.cpu().numpy() for trust in aligned.trust),
        ),
        FusionMaps(
            tuple(prior.cpu().numpy() for prior in maps.priors),
            tuple(gain.cpu().numpy() for gain in maps.gains),
            maps.coverage,
        ),
    )


def _cut(whole: Plane, like: Sequence[Plane]) -> tuple[Plane, ...]:
    """Planes of these shapes, one after another in `whole`."""
    planes, begin = [], 0
    for plane in like:
        planes.append(np.asarray(whole[begin : begin + plane.size].reshape(plane.shape)))
        begin += plane.size
    return tuple(planes)
