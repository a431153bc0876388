"""A sink that opens with its first frame, for callers that do not know their source."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamfuse.arguments import expect_frame
from streamfuse.frame import FusedFrame
from streamfuse.stage import Sink, SourceInfo

_DEFAULT_RATE = Fraction(25)


class DeferredSink:
    """Opens the named output when the first frame says size, depth and colour.

    Args:
        target, options: as `open_sink` takes them; `rate` is the nominal frame rate, 25 if it is not given.
    """

    def __init__(self, target: str | Path, options: Mapping[str, Any]) -> None:
        self.outputs: list[str] = []
        self._target = target
        self._options = options
        self._sink: Sink | None = None

    def write(self, frame: FusedFrame) -> None:
        """Write one frame.

        Raises:
            OutputExistsError, OutputError, EncoderError: as `open_sink` says, with the first frame.
        """
        expect_frame(frame)
        if self._sink is None:
            self._sink = self._open(frame)
            self.outputs = self._sink.outputs
        self._sink.write(frame)

    def close(self) -> None:
        """Finish the output."""
        if self._sink is not None:
            self._sink.close()
            self.outputs = self._sink.outputs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sink is not None:
            self._sink.__exit__(kind, error, trace)
            self.outputs = self._sink.outputs

    def _open(self, frame: FusedFrame) -> Sink:
        from streamfuse.encode.open import open_recorder

        info = SourceInfo(
            name=str(self._target),
            width=frame.width,
            height=frame.height,
            bits=frame.bits,
            subsampling=frame.subsampling,
            color=frame.color,
            time_base=frame.time_base,
            rate=self._options.get("rate") or _DEFAULT_RATE,
            has_chroma=len(frame.planes) == 3,
        )
        return open_recorder(self._target, info, **self._options)
