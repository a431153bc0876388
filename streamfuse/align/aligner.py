"""The alignment stage: makes every exposure of an instant from the frames around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from streamfuse.align import flow as motion
from streamfuse.align import ghost as ghosts
from streamfuse.align import photometric
from streamfuse.align.photometric import ToneCurve
from streamfuse.align.recent import Recent
from streamfuse.frame import AlignedBracket, Bracket, Frame, Map, Neighbours, Plane


@dataclass(frozen=True, slots=True)
class _Side:
    """A neighbour brought to the reference, at working size."""

    frame: Frame
    flow: Map  # of the reference towards it
    brighter: bool
    deviation: Map  # from the reference, see `ghost.deviation`


@dataclass(frozen=True, slots=True)
class _Made:
    """A synthesised exposure."""

    planes: tuple[Plane, ...]
    curve: ToneCurve
    trust: Map
    flows: dict[int, Map]  # index of the neighbour -> flow towards it


class Aligner:
    """Turns `Bracket` into `AlignedBracket`, one for one; each depends on the frames of its bracket only.

    A missing exposure is warped from its neighbours on both sides; where they disagree with the reference (after
    both are brought to one scale) the reference itself, brought to that exposure's scale, takes over.

    Args:
        preset: working size, quality of the flow and interpolation.
        mode: "flow" = dense motion, "global" = one homography per neighbour, "off" = take neighbours as they are.
        ghost: fall back to the reference where a neighbour disagrees with it.
        rate: as given to the `Pairer`: at half rate the previous instant is the previous frame of the same exposure.
    """

    def __init__(
        self,
        preset: motion.Preset = "balanced",
        mode: motion.Mode = "flow",
        ghost: bool = True,
        rate: Literal["full", "half"] = "full",
    ) -> None:
        self.untrusted_share = 0.0
        """Share of the pixels of the last bracket's synthesised exposures that fell back to the reference."""
        self._preset = preset
        self._mode = mode
        self._ghost = ghost
        self._rate = rate
        self._estimate = None if mode == "off" else motion.FlowEstimator(mode, preset)
        self._lumas: Recent[Map] = Recent(16)
        self._flows: Recent[Map] = Recent(8)

    def push(self, item: Bracket) -> Iterable[AlignedBracket]:
        """Align one bracket."""
        return [self._simultaneous(item) if item.simultaneous else self._align(item)]

    def flush(self) -> Iterable[AlignedBracket]:
        """Nothing is held."""
        return []

    def _align(self, bracket: Bracket) -> AlignedBracket:
        made = {rank: self._make(bracket, rank) for rank in range(bracket.cycle) if rank != bracket.rank}
        self.untrusted_share = float(np.mean([1.0 - m.trust.mean() for m in made.values()])) if made else 0.0
        flows: dict[int, Map] = {}
        for one in made.values():
            flows |= one.flows
        before, after = self._neighbour_flows(bracket, flows)
        size = (bracket.reference.width, bracket.reference.height)
        return AlignedBracket(
            bracket=bracket,
            exposures=tuple(
                made[rank].planes if rank in made else bracket.reference.planes
                for rank in range(bracket.cycle)
            ),
            gaps_ev=_gaps(bracket, {rank: m.curve.gap_ev for rank, m in made.items()}),
            trust=tuple(
                cv2.resize(made[rank].trust, size, interpolation=cv2.INTER_LINEAR) if rank in made else None
                for rank in range(bracket.cycle)
            ),
            flow_before=before,
            flow_after=after,
        )

    def _simultaneous(self, bracket: Bracket) -> AlignedBracket:
        """Exposures taken at once need no warping; one that was lost is made from the reference."""
        exposures, gaps = [], {}
        for rank in range(bracket.cycle):
            if rank == bracket.rank:
                exposures.append(bracket.reference.planes)
                continue
            pair = bracket.missing.get(rank)
            curve = self._curve(bracket, rank)
            gaps[rank] = curve.gap_ev
            if pair is None or pair.before is None:
                exposures.append(photometric.map_planes(bracket.reference, curve, rank > bracket.rank))
            else:
                exposures.append(pair.before.planes)
        lost = [
            np.zeros(bracket.reference.luma.shape, np.float32) if r not in bracket.missing else None
            for r in range(bracket.cycle)
        ]
        lost[bracket.rank] = None
        before, after = self._neighbour_flows(bracket, {})
        self.untrusted_share = 0.0
        return AlignedBracket(bracket, tuple(exposures), _gaps(bracket, gaps), tuple(lost), before, after)

    # One missing exposure

    def _make(self, bracket: Bracket, rank: int) -> _Made:
        reference, brighter = bracket.reference, rank > bracket.rank
        curve = self._curve(bracket, rank)
        mapped = photometric.map_planes(reference, curve, brighter)
        pair = bracket.missing.get(rank)
        if pair is None:
            shape = self._luma(reference).shape
            return _Made(mapped, curve, np.zeros(shape, np.float32), {})
        sides = self._sides(bracket, pair, curve, brighter)
        trust = self._trust(sides)
        share = trust * (1.0 - self._known_share(reference, curve, brighter))
        planes = tuple(
            self._plane(index, reference, mapped[index], sides, share) for index in range(len(mapped))
        )
        flows = {} if self._mode == "off" else {side.frame.index: side.flow for side in sides}
        return _Made(planes, curve, trust, flows)

    def _curve(self, bracket: Bracket, rank: int) -> ToneCurve:
        """Between the reference and the exposure `rank`, from this bracket's frames only."""
        pair = bracket.missing.get(rank)
        others = [] if pair is None else [f for f in (pair.before, pair.after) if f is not None]
        if not others:
            return photometric.ratio_curve(2.0 * abs(rank - bracket.rank))
        dark, bright = (
            (bracket.reference, others[0]) if rank > bracket.rank else (others[0], bracket.reference)
        )
        known = photometric.known_gap(dark, bright)
        if known is not None:
            return photometric.ratio_curve(known)
        mine, theirs = [self._luma(bracket.reference)], [self._luma(f) for f in others]
        return photometric.estimate_curve(*((mine, theirs) if rank > bracket.rank else (theirs, mine)))

    def _sides(self, bracket: Bracket, pair: Neighbours, curve: ToneCurve, brighter: bool) -> list[_Side]:
        """Both neighbours with their motion, `brighter`: they are the brighter exposure."""
        own = self._luma(bracket.reference)
        frames = [frame for frame in (pair.before, pair.after) if frame is not None]
        lumas = [self._luma(frame) for frame in frames]
        if brighter:
            flows = self._motion(bracket, pair, curve.brighten(own), lumas, curve)
        else:
            flows = self._motion(bracket, pair, own, [curve.brighten(luma) for luma in lumas], curve)
        sides = []
        for frame, luma, flow in zip(frames, lumas, flows, strict=True):
            seen = motion.warp(luma, flow)
            deviation = ghosts.deviation(own, seen, curve) if brighter else ghosts.deviation(seen, own, curve)
            sides.append(_Side(frame, flow, brighter, deviation))
        return sides

    def _motion(
        self, bracket: Bracket, pair: Neighbours, reference: Map, neighbours: list[Map], curve: ToneCurve
    ) -> list[Map]:
        """Flow of the reference towards each neighbour: matched across exposures where that is well posed."""
        if self._estimate is None:
            return [np.zeros((*reference.shape, 2), np.float32) for _ in neighbours]
        across = [self._estimate(reference, luma) for luma in neighbours]
        if self._mode == "global" or pair.before is None or pair.after is None:
            return across
        fraction = _fraction(pair.before, bracket.reference, pair.after)
        along = motion.halfway(self._same_flow(pair.before, pair.after), fraction)
        share = motion.usable(reference, curve)[..., None]
        return [share * a + (1.0 - share) * b for a, b in zip(across, along, strict=True)]

    def _same_flow(self, source: Frame, target: Frame) -> Map:
        """Flow between two frames of one exposure; kept, since the next brackets ask for it again."""
        assert self._estimate is not None
        found = self._flows.get(source, target)
        if found is None:
            # The square root spends the 8 bits that flow works on where a dark frame has its detail.
            found = self._estimate(np.sqrt(self._luma(source)), np.sqrt(self._luma(target)))
            self._flows.put(found, source, target)
        return found

    def _known_share(self, reference: Frame, curve: ToneCurve, brighter: bool) -> Map:
        import os
        k=float(os.environ.get('KS','0.9')); 
        luma = self._luma(reference)
        if brighter:
            m=float(os.environ.get('KU','0')); 
            return m*np.clip((luma-0.2)/.2,0,1)
        hi=float(os.environ.get('KH','0.95')); lo=hi-float(os.environ.get('KW','.1'))
        return k*cv2.erode(np.clip((hi-luma)/(hi-lo),0,1)*np.clip((luma-.02)/.05,0,1),np.ones((3,3),np.uint8))

    def _trust(self, sides: list[_Side]) -> Map:
        best = sides[0].deviation if len(sides) == 1 else np.minimum(sides[0].deviation, sides[1].deviation)
        return ghosts.trust_map(best) if self._ghost else np.ones_like(best)

    def _plane(self, index: int, reference: Frame, mapped: Plane, sides: list[_Side], trust: Map) -> Plane:
        """Plane `index` of the synthesised exposure."""
        size = (mapped.shape[1], mapped.shape[0])
        warped = [self._warp_plane(index, reference, side, size) for side in sides]
        if len(warped) == 2:
            weights = ghosts.side_weights(sides[0].deviation, sides[1].deviation, sides[0].brighter)
            warped = [_blend(warped[0], warped[1], weights[0], size)]
        if not self._ghost:
            return warped[0]
        return _blend(warped[0], mapped, trust, size)

    def _warp_plane(self, index: int, reference: Frame, side: _Side, size: tuple[int, int]) -> Plane:
        plane = side.frame.planes[index]
        if self._mode == "off":
            return plane
        height, width = side.flow.shape[:2]
        sub = (1.0, 1.0) if index == 0 else (0.5 ** reference.subsampling[0], 0.5 ** reference.subsampling[1])
        scale = (reference.width / width * sub[0], reference.height / height * sub[1])
        where = motion.full_size_map(side.flow, size, scale)
        how = motion.SETTINGS[self._preset].interpolation if index == 0 else cv2.INTER_LINEAR
        moved = cv2.remap(plane, where, None, how, borderMode=cv2.BORDER_REPLICATE)
        limit = (1 << reference.bits) - 1
        return (
            moved if limit == np.iinfo(moved.dtype).max else np.minimum(moved, np.array(limit, moved.dtype))
        )

    def _neighbour_flows(self, bracket: Bracket, flows: dict[int, Map]) -> tuple[Map | None, Map | None]:
        """Flow towards the previous and the next instant's reference."""
        if self._estimate is None:
            return None, None
        same = bracket.same
        if self._rate == "half" or bracket.simultaneous:
            return tuple(  # type: ignore[return-value]
                None if f is None else self._same_flow(bracket.reference, f)
                for f in (same.before, same.after)
            )
        here = bracket.reference.index
        known = dict(flows)
        for frame in (same.before, same.after):
            if frame is not None and abs(frame.index - here) == 1:
                known[frame.index] = self._same_flow(bracket.reference, frame)
        return known.get(here - 1), known.get(here + 1)

    def _luma(self, frame: Frame) -> Map:
        """Normalised luma at working size."""
        found = self._lumas.get(frame)
        if found is None:
            size = motion.working_size(frame.width, frame.height, self._preset)
            found = self._lumas.put(photometric.normalised_luma(frame, size), frame)
        return found


def _blend(first: Plane, second: Plane, weight: Map, size: tuple[int, int]) -> Plane:
    """weight * first + (1 - weight) * second; the weight comes at working size."""
    share = cv2.resize(weight, size, interpolation=cv2.INTER_LINEAR)
    if first.dtype == np.uint8:
        return cv2.blendLinear(first, second, share, 1.0 - share)
    mixed = second.astype(np.float32)
    mixed += share * (first.astype(np.float32) - mixed)
    mixed += 0.5
    return mixed.astype(first.dtype)


def _fraction(before: Frame, here: Frame, after: Frame) -> float:
    """Where `here` lies in time between its neighbours, 0..1, by pts; by count where pts do not say."""
    if (
        before.pts is not None
        and here.pts is not None
        and after.pts is not None
        and before.pts < here.pts < after.pts
    ):
        return (here.pts - before.pts) / (after.pts - before.pts)
    return (here.index - before.index) / (after.index - before.index)


def _gaps(bracket: Bracket, gaps: dict[int, float]) -> tuple[float, ...]:
    """Exposure of each rank relative to the darkest, from the gaps between each and the reference."""
    to_reference = [-gaps[r] if r < bracket.rank else gaps.get(r, 0.0) for r in range(bracket.cycle)]
    return tuple(gap - to_reference[0] for gap in to_reference)
