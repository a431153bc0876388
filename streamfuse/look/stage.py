"""The stage that gives fused frames their look: the last one before they are shown or written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import FusedFrame, Plane
from streamfuse.core.protocols import Stage
from streamfuse.look.cube import Lut
from streamfuse.look.look import Look
from streamfuse.look.tone import Toner

_BETWEEN_BITS = 16  # of what goes from the numbers to the LUT, so that it is rounded to codes once only


class Grader:
    """A look, ready for planes of any kind.

    Args:
        look: what to do.

    Raises:
        InputNotFoundError, UsageError: of its LUT.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._lut = None if look.lut is None else Lut(look.lut)
        self._kind: tuple[int, ColorInfo, int] | None = None
        self._toner: Toner | None = None

    def __call__(
        self, planes: tuple[Plane, ...], bits: int, subsampling: tuple[int, int], color: ColorInfo
    ) -> tuple[Plane, ...]:
        """New planes of the same kind, as in `Frame`; the same ones where the look changes nothing."""
        height = planes[0].shape[0]
        between = bits if self._lut is None else _BETWEEN_BITS
        if any(self._look.numbers.values()):
            kind = (bits, color, height)
            if self._toner is None or kind != self._kind:
                self._toner, self._kind = Toner(self._look, bits, color, height, between), kind
            planes = self._toner(planes)
        else:
            between = bits
        return planes if self._lut is None else self._lut(planes, between, subsampling, color, bits)


class LookStage(Stage[FusedFrame, FusedFrame]):
    """FusedFrame -> FusedFrame with the look; every frame gets it, those that passed without a partner too.

    Args:
        look: what to do.

    Raises:
        InputNotFoundError, UsageError: of its LUT.
    """

    def __init__(self, look: Look) -> None:
        self._grade = Grader(look)

    def push(self, item: FusedFrame) -> Iterable[FusedFrame]:
        """Give one for one."""
        yield self.looked(item)

    def looked(self, frame: FusedFrame) -> FusedFrame:
        """Give the frame with other planes of the same kind."""
        return replace(frame, planes=self._grade(frame.planes, frame.bits, frame.subsampling, frame.color))
