"""Footage that is not one clean alternation, made from the sample: titles, fades, cameras that settle late."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np

from streamfuse.config import Config
from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame, FusedFrame, Plane
from streamfuse.fusion.stage import fuse_planes
from streamfuse.runtime.chain import Chain, build_chain
from streamfuse.runtime.line import through
from streamfuse.synthetic.sample_source import open_sample

Planes = tuple[Plane, ...]
COLOR = ColorInfo(1, 1, 1, False)
SIZE = (192, 108)


@lru_cache
def instants(count: int = 24, clip: str = "seed=0") -> tuple[tuple[Planes, ...], ...]:
    """Both exposures of each instant, darkest first."""
    with open_sample(f"sample:?frames={count}&size={SIZE[0]}x{SIZE[1]}&{clip}") as source:
        return tuple(source.exposures_at(instant) for instant in range(count))


def alternating(both: Sequence[tuple[Planes, ...]], first: int = 0) -> list[Planes]:
    """One exposure of each instant in turn."""
    return [planes[(number + first) % 2] for number, planes in enumerate(both)]


def title(background: int = 19) -> Planes:
    """A line of text that stands still."""
    luma = np.full(SIZE[::-1], background, np.uint8)
    cv2.putText(luma, "A TITLE", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 200, 2)
    grey = np.full((SIZE[1] // 2, SIZE[0] // 2), 128, np.uint8)
    return luma, grey, grey


def dimmed(planes: Planes, share: float) -> Planes:
    """R'G'B' times `share`, as editors fade."""
    rgb = planes_to_rgb(planes, 8, (1, 1), COLOR).astype(np.float32) * np.float32(share)
    return rgb_to_planes(np.rint(rgb).astype(np.uint8), bits=8, subsampling=(1, 1), color=COLOR)


def frames_of(pictures: Sequence[Planes], bits: int = 8) -> list[Frame]:
    """Frames at 24 a second."""
    return [Frame(planes, bits, (1, 1), COLOR, n, Fraction(1, 24), n) for n, planes in enumerate(pictures)]


def fused(pictures: Sequence[Planes], **settings: object) -> tuple[list[FusedFrame], Chain]:
    """All frames through the chain of files."""
    chain = build_chain(Config().with_overrides(**settings))
    return list(through(chain.line, frames_of(pictures))), chain


def oracle(chain: Chain, exposures: Sequence[Planes]) -> Planes:
    """What the exposures of one instant give, taken at the same time."""
    return fuse_planes(chain.fuser, exposures, 8, COLOR)  # type: ignore[arg-type]


def means(pictures: Sequence[Planes]) -> list[float]:
    """Mean luma of each."""
    return [float(planes[0].mean()) for planes in pictures]


def ripple(pictures: Sequence[Planes]) -> float:
    """By how many codes the mean of a picture lies off those of its neighbours."""
    values = np.array(means(pictures))
    return float(np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2).mean())


def apart(one: Planes, other: Planes) -> int:
    """The largest difference of any code."""
    return max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(one, other, strict=True))
