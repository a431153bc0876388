"""Where the time of a run goes: codecs, kernels (compiled code over pixels), copies, and Python.

The stages run one after the other in one thread under `cProfile`, which makes Python slower and compiled code not, so
that the share of Python is an upper bound. Codecs are measured without it, by the CPU time of all their threads.
"""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamfuse.core.frame import Bracket, Frame, FusedFrame
from streamfuse.core.jit import kernels
from streamfuse.lab.bench.stages import chain_in_this_thread, decoded, one_thread, written
from streamfuse.runtime.line import through

_WARM_UP = 8  # instants, half of all at most: caches, kernels that are compiled
# Compiled, but they only move bytes.
_COPIES = (
    "copy",
    "copyto",
    "astype",
    "copyMakeBorder",
    "stack",
    "concatenate",
    "ascontiguousarray",
    "merge",
    "split",
)
_COPIES_OF_ARRAYS = (
    "array",
    "asarray",
    "repeat",
    "pad",
    "tobytes",
    "empty",
    "zeros",
    "ones",
    "full",
    "contiguous",
)

Function = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Shares:
    """CPU milliseconds per frame.

    Args:
        codecs: decoding and encoding.
        kernels: OpenCV, NumPy, torch and the compiled loops of this package.
        copies: compiled code that only moves or makes room for pixels.
        python: the rest.
    """

    codecs: float
    kernels: float
    copies: float
    python: float

    @property
    def overhead(self) -> float:
        """Share of copies and Python in all, 0..1."""
        return (self.copies + self.python) / (self.codecs + self.kernels + self.copies + self.python)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "overhead": round(self.overhead, 4)}


def measure_shares(clip: Path, preset: str, output: Path) -> Shares:
    """Profile a run over a clip.

    Args:
        clip: a video of 8 frames or more.
        preset: fast, balanced or best.
        output: file that the encoder writes; removed afterwards.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_measure, clip, preset, output).result()


def _measure(clip: Path, preset: str, output: Path) -> Shares:
    with one_thread():
        info, frames, decode = decoded(clip)
        fused, kinds = _profiled(frames, preset)
        encode = written(fused, info, str(output))
    output.unlink(missing_ok=True)
    codecs = (sum(decode.cpu) / len(frames) + encode.cpu[0]) * 1e3
    return Shares(
        *(round(value, 3) for value in (codecs, kinds["kernels"], kinds["copies"], kinds["python"]))
    )


def _profiled(frames: Sequence[Frame], preset: str) -> tuple[list[FusedFrame], Counter[str]]:
    """Give the fused frames, and own milliseconds per frame by kind of work.

    Labels are found once for many frames, so labelling and pairing are profiled by themselves, over all frames; the
    rest over those that come after a warm-up.
    """
    chain = chain_in_this_thread(preset)  # which is the only one that `cProfile` sees
    front, rest = cProfile.Profile(), cProfile.Profile()
    brackets = front.runcall(lambda: list(through(chain.front.line, frames)))
    warm_up = min(_WARM_UP, len(brackets) // 2)
    fused: list[FusedFrame] = []

    def push(items: Iterable[Bracket]) -> None:
        for item in items:
            fused.extend(chain.fusion.push(item))

    push(brackets[:warm_up])
    rest.runcall(push, brackets[warm_up:])
    fused.extend(chain.fusion.flush())
    return fused, _kinds(front, len(frames)) + _kinds(rest, len(brackets) - warm_up)


def _kinds(profile: cProfile.Profile, frames: int) -> Counter[str]:
    """Own milliseconds per frame by kind of work."""
    kinds: Counter[str] = Counter()
    compiled = _compiled()
    for function, (_, _, own_seconds, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        kinds[_kind(function, compiled)] += own_seconds * 1e3 / frames
    return kinds


def _kind(function: Function, compiled: set[tuple[str, str]]) -> str:
    """Give the kind of a function that `cProfile` saw; compiled ones have no file, or are loops of this package."""
    path, _, name = function
    if path == "~":
        words = set(name.strip("{}<>").replace("'", " ").replace(".", " ").split())
        return "copies" if words & {*_COPIES, *_COPIES_OF_ARRAYS} else "kernels"
    if name in _COPIES:
        return "copies"
    return "kernels" if (path, name) in compiled else "python"


def _compiled() -> set[tuple[str, str]]:
    """(file, name) of the loops that Numba compiled."""
    codes = [loop.py_func.__code__ for loop in kernels()]
    return {(code.co_filename, code.co_name) for code in codes}
