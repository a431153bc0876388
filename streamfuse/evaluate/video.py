"""Scores of a pipeline, and of its peers, on a simulated clip: each against its own oracle.

The oracle of an instant is the same fusion given both exposures of that very instant. So a score tells what
pairing, alignment and smoothing cost, not which fusion is nicer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from streamfuse.color import planes_to_rgb
from streamfuse.evaluate import metrics
from streamfuse.evaluate.metrics import Flow, Luma, Mask
from streamfuse.evaluate.peers import PEERS, Exposed, PeerAligner, PeerFuse, Rgb, merge_mertens, to_8_bit
from streamfuse.evaluate.simulate import SimulatedClip
from streamfuse.evaluate.virtual import VirtualCamera
from streamfuse.frame import AlignedBracket, Frame, FusedFrame, Plane, chroma_range, luma_range
from streamfuse.stage import Stage

Stages = Callable[[], Sequence[Stage]]  # makes fresh stages, from Frame to what is scored
OracleFuse = Callable[[tuple[tuple[Plane, ...], ...], Frame], tuple[Plane, ...]]
"""(planes of each exposure, darkest first; a frame that describes them) -> fused planes."""

PSNR_CAP = 100.0  # dB for pictures that are equal, so that means stay finite


@dataclass(frozen=True, slots=True)
class ClipScore:
    """How near a method comes to its oracle on one clip.

    Args:
        method, clip: names.
        psnr, ssim: of luma, mean over frames; dB (equal frames count as 100), 1.
        chroma_psnr: of Cb and Cr together; not a number for peers, which are scored on luma.
        motion_psnr: in the motion mask.
        motion_p99: 99th percentile of the error there, 8-bit code values, mean over frames.
        motion_share: share of the pixels in the mask.
        afo_mean, afo_p99, afo_global: AFo over blocks, and of the whole picture; 8-bit code values.
        afi, afi_oracle: alternation without a reference, percent; what the oracle has is the scene's own.
        warping_error, warping_error_oracle: mean squared difference along the motion.
        frames_in, frames_out: given and got.
        delay_frames: frames that had to come in after a reference before its picture came out, in the end
            (before the clip ended); None where everything was held to the end.
        delay_frames_max: the most there ever were, such as while the exposures were being recognised.
    """

    method: str
    clip: str
    psnr: float
    ssim: float
    chroma_psnr: float
    motion_psnr: float
    motion_p99: float
    motion_share: float
    afo_mean: float
    afo_p99: float
    afo_global: float
    afi: float
    afi_oracle: float
    warping_error: float
    warping_error_oracle: float
    frames_in: int
    frames_out: int
    delay_frames: int | None
    delay_frames_max: int | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not a number is None."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, slots=True)
class FlowScore:
    """End-point error in px, and share over 3 px, of the flow to the previous frame where it is visible."""

    epe: float
    over_3px: float
    frames: int


def evaluate_clip(
    clip: SimulatedClip, stages: Stages, oracle_fuse: OracleFuse, *, name: str = "streamfuse"
) -> ClipScore:
    """Run the stages over the clip and score every `FusedFrame` that comes out.

    Args:
        clip: the source and its truth.
        stages: makes the stages, from `Frame` to `FusedFrame`.
        oracle_fuse: the fusion of those stages, for exposures of one instant.
        name: of the method, for the report.
    """
    meter = _Meter(clip)
    for fused, delay in _run(clip, stages()):
        assert isinstance(fused, FusedFrame)
        exposures = clip.exposures(clip.truth[fused.index].instant)
        ideal = oracle_fuse(tuple(frame.planes for frame in exposures), exposures[0])
        meter.add(fused.index, _luma(fused.planes[0], exposures[0]), _luma(ideal[0], exposures[0]), delay)
        meter.add_chroma(fused.planes[1:], ideal[1:], exposures[0])
    return meter.score(name)


def evaluate_peer(
    clip: SimulatedClip, align: PeerAligner, *, name: str, fuse: PeerFuse = merge_mertens
) -> ClipScore:
    """Score one peer: each frame with the latest one of every other exposure, aligned, then fused.

    The peer is told the true exposures. Frames before which some exposure has not come yet are left out.

    Args:
        clip: the source and its truth.
        align: brings another exposure to the frame.
        name: of the method, for the report.
        fuse: the fusion, of the peer and of its oracle.
    """
    meter = _Meter(clip)
    gaps = clip.simulation.gaps_ev
    latest: dict[int, Rgb] = {}
    for frame in clip:
        instant, rank = clip.truth[frame.index].instant, clip.truth[frame.index].rank
        latest[rank] = _rgb(frame)
        if len(latest) < clip.cycle:
            continue
        reference = Exposed(latest[rank], gaps[rank])
        exposures = [
            latest[other] if other == rank else align(reference, Exposed(latest[other], gaps[other]))
            for other in range(clip.cycle)
        ]
        oracle = fuse([_rgb(exposure) for exposure in clip.exposures(instant)])
        meter.add(frame.index, fuse(exposures), oracle, 0)
    return meter.score(name)


def evaluate_peers(clip: SimulatedClip) -> list[ClipScore]:
    """Scores of all peers on the clip."""
    return [evaluate_peer(clip, align, name=name) for name, align in PEERS.items()]


def evaluate_flow(clip: SimulatedClip, camera: VirtualCamera, stages: Stages) -> FlowScore:
    """Score `flow_before` of every `AlignedBracket` against the camera's exact flow.

    Args:
        clip: filmed by `camera`, without shake of its own.
        camera: knows the flow.
        stages: makes the stages from `Frame` to `AlignedBracket`.
    """
    errors, shares = [], []
    for aligned, _ in _run(clip, stages()):
        assert isinstance(aligned, AlignedBracket)
        index = aligned.bracket.reference.index
        if aligned.flow_before is None or index == 0:
            continue
        now, before = clip.truth[index].instant, clip.truth[index - 1].instant
        truth = camera.flow(now, before)
        flow = _to_size(aligned.flow_before, truth.shape[0], truth.shape[1])
        epe, share = metrics.end_point_error(flow, truth, camera.visible(now, before))
        errors.append(epe)
        shares.append(share)
    return FlowScore(metrics.mean(errors), metrics.mean(shares), len(errors))


class _Meter:
    """Takes the fused frames of one clip in order and sums up."""

    def __init__(self, clip: SimulatedClip) -> None:
        self._clip = clip
        self._values: dict[str, list[float]] = {}
        self._flicker = metrics.AlternationFlicker(clip.cycle)
        self._flicker_oracle = metrics.AlternationFlicker(clip.cycle)
        self._before: tuple[int, Luma, Luma] | None = None  # instant, fused, oracle
        self._delays: list[int] = []

    def add(self, index: int, fused: Luma, oracle: Luma, delay: int | None) -> None:
        """One frame: its number in the clip, luma in [0, 1], and its delay (None: held to the end)."""
        instant, rank = self._clip.truth[index].instant, self._clip.truth[index].rank
        moving = self._moving(instant)
        self._note("psnr", min(metrics.psnr(fused, oracle), PSNR_CAP))
        self._note("ssim", metrics.ssim(fused, oracle))
        self._note("motion_psnr", min(metrics.psnr(fused, oracle, mask=moving), PSNR_CAP))
        self._note("motion_p99", metrics.error_percentile(fused, oracle, mask=moving))
        self._note("motion_share", float(moving.mean()))
        self._flicker.add(fused, oracle, rank)
        self._flicker_oracle.add(oracle, oracle, rank)
        self._add_warping(instant, fused, oracle)
        if delay is not None:
            self._delays.append(delay)

    def add_chroma(self, fused: Sequence[Plane], oracle: Sequence[Plane], like: Frame) -> None:
        """Cb and Cr of the frame that was added last; none of a grey frame."""
        if fused:
            scale = np.float32(0.5 / chroma_range(like.bits, like.color.full_range)[1])
            pictures = [np.stack(planes).astype(np.float32) * scale for planes in (fused, oracle)]
            self._note("chroma_psnr", min(metrics.psnr(*pictures), PSNR_CAP))

    def score(self, method: str) -> ClipScore:
        """What all frames come to."""
        afo = self._flicker.afo()
        mean = {name: metrics.mean(values) for name, values in self._values.items()}
        return ClipScore(
            method=method,
            clip=self._clip.info.name,
            psnr=mean.get("psnr", math.nan),
            ssim=mean.get("ssim", math.nan),
            chroma_psnr=mean.get("chroma_psnr", math.nan),
            motion_psnr=mean.get("motion_psnr", math.nan),
            motion_p99=mean.get("motion_p99", math.nan),
            motion_share=mean.get("motion_share", math.nan),
            afo_mean=float(afo.mean()) if afo.size else math.nan,
            afo_p99=float(np.percentile(afo, 99)) if afo.size else math.nan,
            afo_global=self._flicker.afo_global(),
            afi=self._flicker.afi(),
            afi_oracle=self._flicker_oracle.afi(),
            warping_error=mean.get("warping_error", math.nan),
            warping_error_oracle=mean.get("warping_error_oracle", math.nan),
            frames_in=len(self._clip),
            frames_out=len(self._values.get("psnr", [])),
            delay_frames=self._delays[-1] if self._delays else None,
            delay_frames_max=max(self._delays, default=None),
        )

    def _note(self, name: str, value: float) -> None:
        self._values.setdefault(name, []).append(value)

    def _moving(self, instant: int) -> Mask:
        """Where the scene differs from the instant before or after: where a ghost can come from."""
        now = self._clip.scene_lumas(instant)
        neighbours = [t for t in (instant - 1, instant + 1) if 0 <= t < self._clip.instants]
        moving = np.zeros(now[0].shape, np.bool_)
        for other in neighbours:
            moving |= metrics.motion_mask(now, self._clip.scene_lumas(other))
        return moving

    def _add_warping(self, instant: int, fused: Luma, oracle: Luma) -> None:
        if self._before is not None and self._before[0] != instant:
            then, fused_then, oracle_then = self._before
            forward, backward = self._scene_flow(then, instant), self._scene_flow(instant, then)
            seen = metrics.consistent(forward, backward)
            self._note("warping_error", metrics.warping_error(fused_then, fused, forward, seen))
            self._note("warping_error_oracle", metrics.warping_error(oracle_then, oracle, forward, seen))
        self._before = instant, fused, oracle

    def _scene_flow(self, now: int, then: int) -> Flow:
        """Flow of the clean scene; the mean of all exposures shows both its shadows and its lights."""
        pictures = [
            np.round(np.mean(self._clip.scene_lumas(instant), axis=0) * 255).astype(np.uint8)
            for instant in (now, then)
        ]
        still = np.zeros((*pictures[0].shape, 2), np.float32)
        if min(pictures[0].shape) < 16:  # too small for the pyramid of DIS
            return still
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        return np.asarray(dis.calc(pictures[0], pictures[1], still), np.float32)


def _run(clip: SimulatedClip, stages: Sequence[Stage]) -> Iterator[tuple[Any, int | None]]:
    """Everything that comes out, with the frames that came after its reference (None: at the end)."""
    for newest, frame in enumerate(clip):
        for item in _through(stages, [frame]):
            yield item, newest - _reference_index(item)
    for number, stage in enumerate(stages):
        for item in _through(stages[number + 1 :], stage.flush()):
            yield item, None


def _through(stages: Sequence[Stage], items: Iterable[Any]) -> Iterable[Any]:
    for stage in stages:
        items = [result for item in items for result in stage.push(item)]
    return items


def _reference_index(item: FusedFrame | AlignedBracket) -> int:
    return item.bracket.reference.index if isinstance(item, AlignedBracket) else item.index


def _luma(plane: Plane, like: Frame) -> Luma:
    """Code values to (H, W) float32, 0 = black, 1 = white."""
    black, white = luma_range(like.bits, like.color.full_range)
    return (plane.astype(np.float32) - np.float32(black)) / np.float32(white - black)


def _rgb(frame: Frame) -> Rgb:
    return to_8_bit(planes_to_rgb(frame.planes, frame.bits, frame.subsampling, frame.color))


def _to_size(flow: Flow, height: int, width: int) -> Flow:
    """Flow on a reduced grid to full size, its vectors scaled with it."""
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    return np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR), np.float32) * scale
