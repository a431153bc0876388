"""Synthesis: the planes of a missing exposure, from its neighbours warped to the reference and the reference itself."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

from streamfuse.align.operations import Shares
from streamfuse.core.frame import Frame, Map, Plane
from streamfuse.imaging.warping import Moved, assemble


def synthesise(
    mapped: Sequence[Plane],
    neighbours: Sequence[tuple[Frame, Map | None]],
    weight: Map | None,
    shares: Shares[Map],
    bits: int,
    cubic: bool,
    executor: Executor,
) -> tuple[Plane, ...]:
    """Planes like the reference's, of another exposure.

    Args:
        mapped: the reference's planes in the scale of the missing exposure.
        neighbours: one or two frames that hold it, with the flow of the reference towards each, (h, w, 2); None = take
            the frame as it is.
        weight: of the first of two, (h, w), see `ghost.side_weights`; the other one has the rest.
        shares: of the neighbours against `mapped`.
        bits: per sample.
        cubic: interpolation of luma, else bilinear; chroma always is.
        executor: makes chroma, beside luma.
    """

    def assembled(first: int, end: int, share: Map | None, cubic: bool) -> tuple[Plane, ...]:
        moved = [Moved(frame.planes[first:end], flow) for frame, flow in neighbours]
        return assemble(mapped[first:end], moved, weight, share, bits, cubic)

    if len(mapped) == 1:
        return assembled(0, 1, shares.luma, cubic)
    chroma = executor.submit(assembled, 1, 3, shares.chroma, False)
    return (*assembled(0, 1, shares.luma, cubic), *chroma.result())
