"""Scores of a pipeline, and of its baselines, on a simulated clip: each against its own oracle.

The oracle of an instant is the same fusion given both exposures of that very instant, under a light that does not
flicker. So a score tells what pairing, alignment and smoothing cost, not which fusion is nicer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np

from streamfuse.core.color import to_8_bit
from streamfuse.core.color_info import luma_range
from streamfuse.core.frame import AlignedBracket, Frame, FusedFrame, Plane, Rgb
from streamfuse.core.protocols import Stage
from streamfuse.lab.evaluate import metrics
from streamfuse.lab.evaluate.baselines import BASELINES, BaselineAligner, BaselineFuse, Exposed, merge_mertens
from streamfuse.lab.evaluate.meter import ClipScore, Meter, Watch
from streamfuse.lab.evaluate.metrics import Flow, Luma
from streamfuse.lab.evaluate.simulate import SimulatedClip
from streamfuse.lab.evaluate.virtual_camera import VirtualCamera

Fusion = Callable[[], Stage[Frame, FusedFrame]]  # makes fresh stages
OracleFuse = Callable[[tuple[tuple[Plane, ...], ...], Frame], tuple[Plane, ...]]
"""(planes of each exposure, darkest first; a frame that describes them) -> fused planes."""

RECURSIVE_SHARE = 0.5  # of the new frame in a recursive average


def evaluate_clip(
    clip: SimulatedClip,
    stages: Fusion,
    oracle_fuse: OracleFuse,
    *,
    name: str = "streamfuse",
    watch: Watch | None = None,
) -> ClipScore:
    """Run the stages over the clip and score every `FusedFrame` that comes out.

    Args:
        clip: the source and its truth.
        stages: makes the stages, from `Frame` to `FusedFrame`.
        oracle_fuse: the fusion of those stages, for exposures of one instant.
        name: of the method, for the report.
        watch: called with every frame after it has been scored.
    """
    meter = Meter(clip, watch)
    changed = clip.simulation.flicker > 0 or clip.simulation.degrade != "none"
    for fused, delay in _run(clip, stages()):
        instant = clip.truth[fused.index].instant
        like = clip.exposures(instant)[0]
        ideal = oracle_fuse(tuple(frame.planes for frame in clip.exposures(instant, calm=True)), like)
        lit = None
        if changed:
            lit = luma_of(oracle_fuse(tuple(f.planes for f in clip.exposures(instant)), like)[0], like)
        meter.add(fused.index, luma_of(fused.planes[0], like), luma_of(ideal[0], like), delay, lit)
        if changed:
            seen, right = clip.frame(fused.index), clip.exposures(instant, calm=True)
            meter.add_taken(luma_of(seen.luma, like), luma_of(right[clip.truth[fused.index].rank].luma, like))
        meter.add_chroma(fused.planes[1:], ideal[1:], like)
        if len(fused.planes) == 3:
            pictures = clip.exposures(instant, calm=True)
            meter.add_extremes(to_8_bit(fused.rgb()), [to_8_bit(picture.rgb()) for picture in pictures])
    return meter.score(name)


def evaluate_baselines(clip: SimulatedClip, watch: Mapping[str, Watch] | None = None) -> list[ClipScore]:
    """Scores of all baselines on the clip; the last one is a recursive average over the frames of the one before it.

    Args:
        clip: the source and its truth.
        watch: name of a baseline -> called with every frame of it after it has been scored.
    """
    watching = watch or {}
    scores = []
    for name, align in BASELINES.items():
        meters = {name: Meter(clip, watching.get(name))}
        averaged = f"{name} + recursive average"
        if name == list(BASELINES)[-1]:
            meters[averaged] = Meter(clip, watching.get(averaged))
        mean: Luma | None = None
        for index, fused, oracle in baseline_frames(clip, align, merge_mertens):
            meters[name].add(index, fused, oracle, 0)
            if averaged in meters:
                mean = fused if mean is None else mean + np.float32(RECURSIVE_SHARE) * (fused - mean)
                meters[averaged].add(index, mean, oracle, 0)
        scores += [meter.score(method) for method, meter in meters.items()]
    return scores


def baseline_frames(
    clip: SimulatedClip, align: BaselineAligner, fuse: BaselineFuse
) -> Iterator[tuple[int, Luma, Luma]]:
    """Index, what `fuse` makes of each frame with the latest of every other exposure, and of all of that instant."""
    gaps = clip.simulation.gaps_ev
    latest: dict[int, Rgb] = {}
    for frame in clip:
        instant, rank = clip.truth[frame.index].instant, clip.truth[frame.index].rank
        latest[rank] = to_8_bit(frame.rgb())
        if len(latest) < clip.cycle:
            continue
        reference = Exposed(latest[rank], gaps[rank])
        exposures = [
            latest[other] if other == rank else align(reference, Exposed(latest[other], gaps[other]))
            for other in range(clip.cycle)
        ]
        oracle = fuse([to_8_bit(exposure.rgb()) for exposure in clip.exposures(instant, calm=True)])
        yield frame.index, fuse(exposures), oracle


class FlowMeter:
    """Scores the flow fields of `AlignedBracket`s against the exact ones.

    Args:
        clip: filmed by `camera`, without shake of its own.
        camera: knows the flow.
    """

    def __init__(self, clip: SimulatedClip, camera: VirtualCamera) -> None:
        self._clip = clip
        self._camera = camera
        self._errors: list[float] = []
        self._shares: list[float] = []

    def add(self, aligned: AlignedBracket) -> None:
        """Score both flow fields, where they are there."""
        index = aligned.bracket.reference.index
        for other, flow in ((index - 1, aligned.flow_before), (index + 1, aligned.flow_after)):
            if flow is None or not 0 <= other < len(self._clip):
                continue
            now, then = self._clip.truth[index].instant, self._clip.truth[other].instant
            truth = self._camera.flow(now, then)
            found = _to_size(flow, truth.shape[0], truth.shape[1])
            epe, share = metrics.end_point_error(found, truth, self._camera.visible(now, then))
            self._errors.append(epe)
            self._shares.append(share)

    def score(self) -> tuple[float, float]:
        """Mean over all fields: the end-point error in px, and the share over 3 px, where the target is visible."""
        return metrics.mean(self._errors), metrics.mean(self._shares)


def luma_of(plane: Plane, like: Frame) -> Luma:
    """Code values to (H, W) float32, 0 = black, 1 = white."""
    black, white = luma_range(like.bits, like.color.full_range)
    return (plane.astype(np.float32) - np.float32(black)) / np.float32(white - black)


def _run(clip: SimulatedClip, stages: Stage[Frame, FusedFrame]) -> Iterator[tuple[FusedFrame, int | None]]:
    """Everything that comes out, with the frames that came after its reference (None: at the end)."""
    for newest, frame in enumerate(clip):
        for item in stages.push(frame):
            yield item, newest - item.index
    for item in stages.flush():
        yield item, None


def _to_size(flow: Flow, height: int, width: int) -> Flow:
    """Flow on a reduced grid to full size, its vectors scaled with it."""
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    return np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR), np.float32) * scale
