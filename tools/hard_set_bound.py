"""What a member of the hard set could come to at best: its missing exposures, made by somebody who is told them.

The true missing frame is shown to the flow, which so has an exact target in the exposure that it is warped in; and
among what the two neighbours then give, and what the product itself made, each small place is taken from whatever lies
nearest to the truth. Nobody who has only the neighbours can choose as well. What is left is what neither of them shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import cv2
import numpy as np

from streamfuse.config import Config
from streamfuse.core.frame import AlignedBracket, Frame, FusedFrame, Plane
from streamfuse.core.protocols import Stage
from streamfuse.lab.evaluate.meter import ClipScore
from streamfuse.lab.evaluate.metrics import Flow, warp
from streamfuse.lab.evaluate.simulate import SimulatedClip
from streamfuse.lab.evaluate.video import OracleFuse, evaluate_clip
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import Line

PLACE = 5  # pixels around each over which candidates are compared
Planes = tuple[Plane, ...]


class Told(Stage[AlignedBracket, AlignedBracket]):
    """Replaces the exposures that were made by the nearest to the truth that their neighbours give.

    Args:
        clip: knows the truth.
    """

    def __init__(self, clip: SimulatedClip) -> None:
        self._clip = clip

    def push(self, item: AlignedBracket) -> Iterator[AlignedBracket]:
        """Take one, give one."""
        exposures = list(item.exposures)
        truth = self._all(item.bracket.reference)
        for rank, pair in item.bracket.missing.items():
            made = [exposures[rank]]
            for frame in (pair.before, pair.after):
                if frame is not None:
                    there = self._all(frame)
                    flows = [motion(here, other) for here, other in zip(truth, there, strict=True)]
                    made += [warped(frame.planes, flow) for flow in flows]
            exposures[rank] = nearest(truth[rank].planes, made)
        yield replace(item, exposures=tuple(exposures))

    def _all(self, frame: Frame) -> tuple[Frame, ...]:
        """Every exposure of the instant at which a frame was taken."""
        return self._clip.exposures(self._clip.truth[frame.index].instant)


def motion(source: Frame, target: Frame) -> Flow:
    """Between two frames of one exposure, as closely as DIS finds it; the root brings out the shadows."""
    a, b = (
        cv2.convertScaleAbs(np.sqrt(frame.luma / np.float32((1 << frame.bits) - 1)), alpha=255.0)
        for frame in (source, target)
    )
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    return np.asarray(dis.calc(a, b, np.zeros((*a.shape, 2), np.float32)), np.float32)


def warped(planes: Planes, flow: Flow) -> Planes:
    """Planes of a frame, seen along the flow of its luma, as floats."""
    out = []
    for plane in planes:
        height, width = plane.shape
        scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        small = np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        out.append(np.rint(warp(plane.astype(np.float32), small * scale)).astype(plane.dtype))
    return tuple(out)


def nearest(truth: Planes, candidates: Sequence[Planes]) -> Planes:
    """Of several pictures, at each place that whose luma is nearest to the truth around it."""
    window = (PLACE, PLACE)
    luma = truth[0].astype(np.float32)
    errors = [cv2.blur((made[0].astype(np.float32) - luma) ** 2, window) for made in candidates]
    best = np.argmin(errors, axis=0).astype(np.uint8)
    out = []
    for number, plane in enumerate(truth):
        size = plane.shape[1], plane.shape[0]
        which = cv2.resize(best, size, interpolation=cv2.INTER_NEAREST).astype(np.intp)
        every = np.stack([made[number] for made in candidates])
        out.append(np.take_along_axis(every, which[None], axis=0)[0])
    return tuple(out)


def bound(clip: SimulatedClip, config: Config, oracle: OracleFuse) -> ClipScore:
    """The score of the pipeline with these settings, once it is told what it cannot see."""

    def stages() -> Line[Frame, FusedFrame]:
        line: Any = Line.empty()
        for named in build_chain(config).line.stages:
            line = line.then(named.name, named.stage)
            if named.name == "align":
                line = line.then("told", Told(clip))
        return cast(Line[Frame, FusedFrame], line)

    return evaluate_clip(clip, stages, oracle, name="bound")
