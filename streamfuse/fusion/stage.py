"""The two stages of fusion: weigh (the network), and, after smoothing, blend (the pixels)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TypeGuard

import numpy as np

from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import AlignedBracket, FusedFrame, FusionMaps, Map, Plane, WeighedBracket
from streamfuse.core.one_buffer import empty_planes, in_one_buffer
from streamfuse.core.protocols import ParallelStage
from streamfuse.core.turns import Turn, Turns
from streamfuse.errors import UsageError
from streamfuse.fusion.chroma import fuse_chroma
from streamfuse.fusion.fast_chroma import fuse_chroma_fast
from streamfuse.fusion.fuser import FusionMethod, LcndrFuser, chroma_weights
from streamfuse.fusion.grain import alike, grained
from streamfuse.fusion.luma import normalise, quantise

Planes = tuple[Plane, ...]
Level = Callable[[AlignedBracket, Map], float]
"""(exposures of an instant, their fused luma in [0, 1] at full size or reduced) -> luma to add to it."""
_MAX_BITS = 12  # that `pair` takes


def weigh_planes(
    fuser: FusionMethod,
    exposures: Sequence[Planes],
    bits: int,
    color: ColorInfo,
    taken: Mapping[int, Plane] = MappingProxyType({}),
    index: int = 0,
) -> FusionMaps:
    """Maps for N exposures of one instant, darkest first, as planes.

    Args:
        fuser: the network.
        exposures, bits, color: as in `AlignedBracket` and `Frame`.
        taken: rank -> luma of a frame that was taken in this exposure, for those that were made; see `grained`. Of
            use to networks only: the weights of other fusers are taken as they are.
        index: of the frame whose instant this is.
    """
    if not isinstance(fuser, LcndrFuser):
        return fuser.weigh([normalise(planes[0], bits, color) for planes in exposures])
    shape = exposures[0][0].shape
    if _has_fast_path(fuser, exposures, bits):
        from streamfuse.fusion.blend_pair import reduced

        small: Callable[[Plane], Map] = partial(reduced, bits=bits, color=color, extra=fuser.octaves(shape))
    else:

        def small(luma: Plane) -> Map:
            return fuser.small(normalise(luma, bits, color))

    lumas = [small(planes[0]) for planes in exposures]
    for rank, luma in taken.items():
        lumas[rank] = grained(lumas[rank], small(luma), index)
    return fuser.weigh_small(lumas, shape)


def blend_planes(
    fuser: FusionMethod,
    exposures: Sequence[Planes],
    maps: FusionMaps,
    bits: int,
    color: ColorInfo,
    level: Callable[[Map], float] | None = None,
) -> Planes:
    """Fused planes, of the same depth, range, size and subsampling as the exposures'.

    Args:
        fuser: what the maps are of.
        exposures: planes of each, darkest first.
        maps, bits, color: as in `Frame` and `WeighedBracket`.
        level: is given the fused luma and tells what to add to it, before it is rounded to codes.
    """
    if _has_fast_path(fuser, exposures, bits):
        return _blend_fast(fuser, exposures, maps, bits, color, level)
    lumas = [normalise(p[0], bits, color) for p in exposures]
    fused = fuser.blend(lumas, maps)
    if level is not None and (more := level(fused)):
        fused = fused + np.float32(more)
    luma = quantise(fused, bits, color)
    if len(exposures[0]) == 1:
        return (luma,)
    chroma = [(p[1], p[2]) for p in exposures]
    weights = chroma_weights(maps, chroma[0][0].shape)
    return in_one_buffer((luma, *fuse_chroma(chroma, lumas, fused, weights, bits, color)))


def _has_fast_path(fuser: FusionMethod, exposures: Sequence[Planes], bits: int) -> TypeGuard[LcndrFuser]:
    """Tell whether there are levels above the network's scale, and integers do for them: the case of video."""
    return (
        isinstance(fuser, LcndrFuser)
        and fuser.device == "cpu"
        and len(exposures) == 2
        and bits <= _MAX_BITS
        and fuser.octaves(exposures[0][0].shape) > 0
    )


def _blend_fast(
    fuser: LcndrFuser,
    exposures: Sequence[Planes],
    maps: FusionMaps,
    bits: int,
    color: ColorInfo,
    level: Callable[[Map], float] | None,
) -> Planes:
    from streamfuse.fusion.blend_pair import blend_pair, halves_of

    dark, bright = exposures
    extra = fuser.octaves(dark[0].shape)
    out = empty_planes(dark)
    lumas = (dark[0], bright[0])
    halves = halves_of(lumas[0], bits, color, extra), halves_of(lumas[1], bits, color, extra)
    luma = blend_pair(lumas, halves, maps, fuser.exponents, bits, color, into=out[0], level=level)
    if len(dark) == 1:
        return (luma,)
    rows, columns = dark[1].shape
    weights = chroma_weights(maps, ((rows + 1) // 2, (columns + 1) // 2))
    chroma = [(p[1], p[2]) for p in exposures]
    return luma, *fuse_chroma_fast(chroma, lumas, luma, weights, bits, color, halves=halves, into=out[1:])


def fuse_planes(fuser: FusionMethod, exposures: Sequence[Planes], bits: int, color: ColorInfo) -> Planes:
    """Fuse N >= 2 exposures of one instant, each (Y,) or (Y, Cb, Cr), in any order.

    Raises:
        UsageError: fewer than two exposures, or with planes of different size or number.
    """
    if len(exposures) < 2:
        raise UsageError(f"Fusion needs at least two exposures, got {len(exposures)}.")
    kinds = {"+".join(f"{p.shape[1]}x{p.shape[0]}" for p in planes) for planes in exposures}
    if len(kinds) > 1:
        raise UsageError(f"All exposures must have planes of the same size, got {', '.join(sorted(kinds))}.")
    ordered = _darkest_first(exposures)
    return blend_planes(fuser, ordered, weigh_planes(fuser, ordered, bits, color), bits, color)


def _darkest_first(exposures: Sequence[Planes]) -> list[Planes]:
    """By mean luma; equally bright ones by their content, so that the order of arrival never counts."""
    means = [float(np.mean(planes[0])) for planes in exposures]
    ties = len(set(means)) < len(means)
    contents = [b"".join(p.tobytes() for p in planes) if ties else b"" for planes in exposures]
    order = sorted(range(len(exposures)), key=lambda n: (means[n], contents[n]))
    return [exposures[n] for n in order]


class WeighStage(ParallelStage[AlignedBracket, WeighedBracket]):
    """AlignedBracket -> WeighedBracket: the network's view of each bracket."""

    def __init__(self, fuser: FusionMethod) -> None:
        self._fuser = fuser

    def begin(self, item: AlignedBracket) -> Callable[[], Iterable[WeighedBracket]]:
        """Give one for one; nothing is known of the others."""
        return partial(self._weighed, item)

    def _weighed(self, item: AlignedBracket) -> Iterable[WeighedBracket]:
        reference = item.bracket.reference
        taken = {rank: frame.luma for rank, frame in alike(item.bracket).items()}
        maps = weigh_planes(
            self._fuser, item.exposures, reference.bits, reference.color, taken, reference.index
        )
        return (WeighedBracket(item, maps),)


class BlendStage(ParallelStage[WeighedBracket, FusedFrame]):
    """WeighedBracket -> FusedFrame: the pixels.

    Args:
        fuser: what weighed the brackets.
        level: what is added to the luma of each; None = nothing.
        keep: let each frame carry what it was made of.
    """

    def __init__(self, fuser: FusionMethod, level: Level | None = None, *, keep: bool = False) -> None:
        self._fuser = fuser
        self._level = level
        self._keep = keep
        self._turns = Turns()

    def begin(self, item: WeighedBracket) -> Callable[[], Iterable[FusedFrame]]:
        """Give one for one; the level of each is asked for in order."""
        return partial(self._blended, item, self._turns.next())

    def _blended(self, item: WeighedBracket, turn: Turn) -> Iterable[FusedFrame]:
        try:
            return (self._fused(item, turn),)
        finally:
            turn.skip()

    def _fused(self, item: WeighedBracket, turn: Turn) -> FusedFrame:
        def level(luma: Map) -> float:
            with turn:
                return 0.0 if self._level is None else self._level(aligned, luma)

        aligned = item.aligned
        bracket = aligned.bracket
        reference = bracket.reference
        planes = reference.planes
        if not bracket.alone:
            planes = blend_planes(
                self._fuser,
                aligned.exposures,
                item.maps,
                reference.bits,
                reference.color,
                None if self._level is None else level,
            )
        fused = FusedFrame.of_bracket(bracket, planes, untrusted_share(aligned))
        return replace(fused, made_of=item) if self._keep else fused


def untrusted_share(aligned: AlignedBracket) -> float:
    """Share of the aligned pixels that disagree with the reference."""
    maps = [t for t in aligned.trust if t is not None]
    return float(np.mean([1 - float(t.mean()) for t in maps])) if maps else 0.0
