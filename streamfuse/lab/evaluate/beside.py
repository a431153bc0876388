"""Fused frames beside the aligned exposures that each was made of, as other methods of fusion would get them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from streamfuse.config import Config
from streamfuse.core.color import planes_to_rgb, to_8_bit
from streamfuse.core.frame import AlignedBracket, Frame, FusedFrame, Rgb
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through


def beside_exposures(
    frames: Iterable[Frame], config: Config
) -> Iterator[tuple[FusedFrame, tuple[Rgb, ...], int]]:
    """Run the pipeline, frame by frame.

    Args:
        frames: of alternating exposures.
        config: settings of the pipeline.

    Yields:
        A fused frame; its exposures, (H, W, 3) uint8, darkest first; and which of them was taken then. Frames without a
        partner are left out.
    """
    waiting: deque[AlignedBracket] = deque()
    line = build_chain(config).line.seen("align", AlignedBracket, waiting.append)
    for fused in through(line, frames):
        while waiting and waiting[0].bracket.reference.index < fused.index:
            waiting.popleft()
        if not waiting or waiting[0].bracket.reference.index != fused.index or waiting[0].bracket.alone:
            continue
        aligned = waiting.popleft()
        like = aligned.bracket.reference
        exposures = tuple(
            to_8_bit(planes_to_rgb(planes, like.bits, like.subsampling, like.color))
            for planes in aligned.exposures
        )
        yield fused, exposures, aligned.bracket.rank
