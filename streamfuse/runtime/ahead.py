"""Compiling ahead: all loops that a kind of run needs, before its first frame comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from streamfuse.config import Config
from streamfuse.core import rgb_rows  # noqa: F401 (its loops, too)
from streamfuse.core.frame import Frame, Plane
from streamfuse.core.jit import when_compiling
from streamfuse.core.loop_cache import Note
from streamfuse.core.protocols import SourceInfo
from streamfuse.fusion import bands, fast_chroma  # noqa: F401 (their loops belong to what a note is of)
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through
from streamfuse.synthetic.sample_source import SampleSource

# Larger than what motion and the network see, and no multiple of it: every loop that changes the size is used.
_SIZE = (804, 452)
_MORE_FRAMES = 2  # than two cycles


@dataclass(frozen=True, slots=True)
class Kind:
    """What decides on the loops that pictures need; their size does not.

    Args:
        bits, subsampling, has_chroma, simultaneous: as in `SourceInfo`.
        cycle: number of exposures.
    """

    bits: int = 8
    subsampling: tuple[int, int] = (1, 1)
    has_chroma: bool = True
    simultaneous: int = 1
    cycle: int = 2

    @classmethod
    def of(cls, info: SourceInfo, config: Config) -> Kind:
        """Give the kind of a source's pictures, as far as it is known before the first of them."""
        cycle = info.simultaneous if info.simultaneous > 1 else config.input.cycle or 2
        return cls(info.bits, info.subsampling, info.has_chroma, info.simultaneous, cycle)


def compile_ahead(config: Config, kind: Kind | None = None, tell: Callable[[], None] | None = None) -> bool:
    """Fuse a few made-up frames, so that all loops are compiled which a run with these settings needs.

    Where that was done before (by any process, with the same versions on the same processor) nothing is done: what was
    compiled then is read from disk when it is needed, in a fraction of a second.

    Args:
        config: the settings, with the preset that is going to run.
        kind: of the pictures; 8-bit 4:2:0, two exposures in turn, if None.
        tell: called before each loop that has to be compiled, if any: half a minute in all.

    Returns:
        Whether anything was compiled.

    Raises:
        UsageError, WeightsError, DeviceError: as `build_chain`.
    """
    kind = kind or Kind()
    merged = () if config.output.hdr == "off" else ("hdr",)
    note = Note((kind, config.align, config.fuse, config.smooth, config.look, config.input.rate, *merged))
    if note.is_there:
        return False
    compiled = [0]

    def count() -> None:
        compiled[0] += 1
        if tell is not None:
            tell()

    chain = build_chain(_plain(config, kind), kind.simultaneous, on_device=True)
    with when_compiling(count):
        for fused in through(chain.line, _frames(kind)):
            fused.rgb()  # as a page, a preview or a loop of one's own asks for
    note.leave()
    return compiled[0] > 0


def _plain(config: Config, kind: Kind) -> Config:
    """Without what is said of a certain input."""
    given = config.input.model_copy(update={"cycle": kind.cycle, "first": None, "exposures": None})
    return config.model_copy(update={"input": given})


def _frames(kind: Kind) -> Iterator[Frame]:
    count = 2 * kind.cycle + _MORE_FRAMES
    source = SampleSource(*_SIZE, count, cycle=kind.cycle, bits=kind.bits, metadata=True)
    for number, frame in enumerate(source):
        pts = number // kind.simultaneous
        planes = frame.planes[:1] if not kind.has_chroma else (
            frame.luma, *(_subsampled(plane, kind.subsampling) for plane in frame.planes[1:])
        )  # fmt: skip
        yield replace(frame, planes=planes, subsampling=kind.subsampling, pts=pts)


def _subsampled(chroma: Plane, wanted: tuple[int, int]) -> Plane:
    """Chroma of 4:2:0 at another subsampling."""
    lines = np.repeat(chroma, 2, axis=0) if wanted[1] == 0 else chroma
    columns = np.repeat(lines, 2, axis=1) if wanted[0] == 0 else lines
    return np.ascontiguousarray(columns)
