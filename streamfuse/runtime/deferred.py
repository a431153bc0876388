"""A sink that opens with its first frame, for callers that do not know their source."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from streamfuse.core.arguments import expect_frame
from streamfuse.core.frame import FusedFrame, Pixels
from streamfuse.core.options import SinkOptions
from streamfuse.core.protocols import Sink, SourceInfo
from streamfuse.core.reports import SinkReport
from streamfuse.errors import UsageError

_DEFAULT_RATE = Fraction(25)


class DeferredSink(Sink):
    """Opens the named output when the first frame says size, depth and colour. Takes arrays, too, and counts them.

    Args:
        target, options: as `open_sink` takes them.
        rate: the nominal frame rate; 25 if None.
        size: (width, height) that every frame has to have; that of the first one if None.
    """

    def __init__(
        self,
        target: str | Path,
        rate: Fraction | None,
        options: SinkOptions,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.outputs: list[str] = []
        self._target = target
        self._options = options
        self._rate = rate or _DEFAULT_RATE
        self._size = size
        self._count = 0
        self._sink: Sink | None = None

    def write(self, frame: FusedFrame | Pixels) -> None:
        """Write one frame, or one picture as `FusedFrame.from_rgb` takes it.

        Raises:
            OutputExistsError, OutputError, EncoderError: as `open_sink` says, with the first frame.
            UsageError: something else, or of another size than was announced.
        """
        if isinstance(frame, np.ndarray):
            frame = FusedFrame.from_rgb(frame, self._count, self._rate)
        expect_frame(frame)
        if self._size is not None and (frame.width, frame.height) != self._size:
            raise UsageError(
                f"{self._target} was opened for {self._size[0]}x{self._size[1]}, and a picture of "
                f"{frame.width}x{frame.height} came: resize it, or open the output for that size."
            )
        self._count += 1
        if self._sink is None:
            self._sink = self._open(frame)
            self.outputs = self._sink.outputs
        self._sink.write(frame)

    def report(self) -> SinkReport:
        """Tell what the output has to tell."""
        return SinkReport() if self._sink is None else self._sink.report()

    def close(self) -> None:
        """Finish the output."""
        if self._sink is not None:
            self._sink.close()
            self.outputs = self._sink.outputs

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sink is not None:
            self._sink.__exit__(kind, error, trace)
            self.outputs = self._sink.outputs

    def _open(self, frame: FusedFrame) -> Sink:
        from streamfuse.runtime.sinks import open_recorder

        info = SourceInfo(
            name=str(self._target),
            width=frame.width,
            height=frame.height,
            bits=frame.bits,
            subsampling=frame.subsampling,
            color=frame.color,
            time_base=frame.time_base,
            rate=self._rate,
            has_chroma=len(frame.planes) == 3,
        )
        return open_recorder(self._target, info, self._rate, **self._options)
