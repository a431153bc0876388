"""A sink that counts: what is left is the speed of everything before it."""

from __future__ import annotations

from streamfuse.core.arguments import expect_frame
from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import Sink


class NullSink(Sink):
    """Drops every frame.

    Attributes:
        frames: how many came.
        outputs: always empty.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.outputs: list[str] = []

    def write(self, frame: FusedFrame) -> None:
        """Count one frame."""
        expect_frame(frame)
        self.frames += 1

    def close(self) -> None:
        """Nothing to do."""
