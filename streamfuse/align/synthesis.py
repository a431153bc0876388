"""Synthesis: the planes of a missing exposure, from its neighbours warped to the reference and the reference itself."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np

from streamfuse.align.ghost import WINDOW, side_weights
from streamfuse.align.warping import Moved, assemble
from streamfuse.frame import Frame, Map, Plane


@dataclass(frozen=True, slots=True)
class Side:
    """A neighbour that holds the missing exposure.

    Args:
        frame: the neighbour.
        flow: of the reference towards it, (h, w, 2) on the grid of the flow fields; None = take it as it is.
        deviation: from the reference once it is warped, (h, w), see `ghost.deviation`.
        error: the same as `ghost.squared_error`, in the brighter exposure's scale.
        luma: its luma once it is warped, (h, w) in the brighter exposure's scale.
        own: the same in its own scale: what is clipped in the brighter one shows there.
    """

    frame: Frame
    flow: Map | None
    deviation: Map
    error: Map
    luma: Map
    own: Map


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of each pixel comes from the neighbours, 0..1 at working size; None = all of it."""

    luma: Map | None
    chroma: Map | None


def synthesise(
    reference: Frame,
    mapped: Sequence[Plane],
    sides: Sequence[Side],
    shares: Shares,
    cubic: bool,
    beside: Executor,
) -> tuple[Plane, ...]:
    """Planes like the reference's, of another exposure.

    Args:
        reference: the frame of this instant.
        mapped: its planes in the scale of the missing exposure.
        sides: one or two neighbours.
        shares: of the neighbours against `mapped`.
        cubic: interpolation of luma, else bilinear; chroma always is.
        beside: where chroma is made, beside luma.
    """
    weight = _side_weights(*sides) if len(sides) == 2 else None

    def assembled(first: int, end: int, share: Map | None, cubic: bool) -> tuple[Plane, ...]:
        moved = [Moved(side.frame.planes[first:end], side.flow) for side in sides]
        return assemble(mapped[first:end], moved, weight, share, reference.bits, cubic)

    if len(mapped) == 1:
        return assembled(0, 1, shares.luma, cubic)
    chroma = beside.submit(assembled, 1, 3, shares.chroma, False)
    return (*assembled(0, 1, shares.luma, cubic), *chroma.result())


def _side_weights(before: Side, after: Side) -> Map:
    pairs = (before.luma, after.luma), (before.own, after.own)
    apart, own = (np.asarray(cv2.blur(cv2.absdiff(*pair), (WINDOW, WINDOW)), np.float32) for pair in pairs)
    return side_weights(before.deviation, after.deviation, apart, own)
