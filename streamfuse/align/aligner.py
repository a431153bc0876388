"""The alignment stage: makes every exposure of an instant from the frames around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from streamfuse.align import balance, fill, photometric
from streamfuse.align import flow as motion
from streamfuse.align import ghost as ghosts
from streamfuse.align import planes as pixels
from streamfuse.align.denoise import RaisedNoise, denoised
from streamfuse.align.dominant import dominant_motion, preferred
from streamfuse.align.photometric import Levels, ToneCurve
from streamfuse.align.planes import Picture
from streamfuse.align.recent import Recent
from streamfuse.align.synthesis import Shares, Side, synthesise
from streamfuse.frame import AlignedBracket, Bracket, Frame, Map, Plane
from streamfuse.stage import Stage

UNKNOWN_GAP_EV = 2.0  # between exposures next to each other, where no frame within reach tells


@dataclass(frozen=True, slots=True)
class _Made:
    """A synthesised exposure; the trust is at working size, None = everywhere."""

    planes: tuple[Plane, ...]
    gap_ev: float
    trust: Map | None
    sides: tuple[Side, ...] = ()


class Aligner(Stage[Bracket, AlignedBracket]):
    """Turns `Bracket` into `AlignedBracket`, one for one; each depends on the frames of its bracket only.

    (Where the white balance differs between exposures, it is that of the last brackets: see `align.balance`.)

    A missing exposure is warped from its neighbours on both sides; where they disagree with the reference (after
    both are brought to one scale) the reference itself, brought to that exposure's scale, takes over. An
    exposure that no frame within reach has, where another one is there, is all made from the reference, with trust 0.

    Args:
        preset: working size, quality of the flow and interpolation.
        mode: "flow" = dense motion, "global" = one homography per neighbour, "off" = neighbours as they are.
        ghost: fall back to the reference where a neighbour disagrees with it.
        rate: as given to the `Pairer`; at half rate the instants before and after are those of the same exposure.
        denoise: take the noise out of a dark reference where it stands in for a brighter exposure.
        coarse: work at `flow.COARSE` of the size that the preset stands for.
    """

    def __init__(
        self,
        preset: motion.Preset = "balanced",
        mode: motion.Mode = "flow",
        ghost: bool = True,
        rate: Literal["full", "half"] = "full",
        denoise: bool = True,
        coarse: bool = False,
    ) -> None:
        self.untrusted_share = 0.0
        """Share of the pixels of the last bracket's synthesised exposures that fell back to the reference."""
        self._preset = preset
        self._coarse = coarse
        self._ghost = ghost
        self._rate = rate
        self._denoise = denoise
        self._mode = mode
        settings = motion.SETTINGS[preset]
        self._cubic = settings.cubic
        self._most_sides = settings.sides
        self._dominant = settings.dominant
        self._grid = settings.grid
        effort = settings.refinements, settings.descents, self._grid
        self._across = [motion.FlowEstimator(mode, settings.finest_scale, *effort) for _ in range(2)]
        # Where the exposures cannot be matched little detail is to be seen: a coarser flow does.
        self._along = motion.FlowEstimator(mode, min(settings.finest_scale + 1, 2), *effort)
        self._pictures: Recent[Picture] = Recent(12)
        self._histograms: Recent[Levels] = Recent(12)
        self._blocks: Recent[balance.Blocks | None] = Recent(12)
        self._balance = balance.BalanceTracker()
        self._flows: Recent[Map] = Recent(8)
        self.beside: Executor = ThreadPoolExecutor(2, "streamfuse-align")
        """Where some of the work is done meanwhile."""

    def push(self, item: Bracket) -> Iterable[AlignedBracket]:
        """Align one bracket; a reference without any partner stands for every exposure, and passes as it is."""
        if item.alone:
            self.untrusted_share = 0.0
            planes, zeros = (item.reference.planes,) * item.cycle, (0.0,) * item.cycle
            return [AlignedBracket(item, planes, zeros, (None,) * item.cycle)]
        made = {rank: self._make(item, rank) for rank in range(item.cycle) if rank != item.rank}
        trusts = [1.0 if one.trust is None else float(one.trust.mean()) for one in made.values()]
        self.untrusted_share = 1.0 - sum(trusts) / max(len(trusts), 1)
        before, after = self._instant_flows(item, [side for one in made.values() for side in one.sides])
        ranks = range(item.cycle)
        trust = {rank: one.trust for rank, one in made.items()}
        return [
            AlignedBracket(
                bracket=item,
                exposures=tuple(made[r].planes if r in made else item.reference.planes for r in ranks),
                gaps_ev=_gaps(item, {rank: one.gap_ev for rank, one in made.items()}),
                trust=tuple(trust.get(rank) for rank in ranks),
                flow_before=before,
                flow_after=after,
            )
        ]

    # One missing exposure

    def _make(self, bracket: Bracket, rank: int) -> _Made:
        reference, brighter = bracket.reference, rank > bracket.rank
        pair = bracket.missing.get(rank)
        frames = [] if pair is None else [frame for frame in (pair.before, pair.after) if frame is not None]
        frames = frames[: self._most_sides]
        curve = self._curve(bracket, frames, rank)
        if bracket.simultaneous and frames:
            return _Made(frames[0].planes, curve.gap_ev, None)
        if pair is None:
            mapped, none = pixels.map_planes(reference, curve, brighter), np.zeros_like(self._luma(reference))
            if brighter:
                mapped = self._denoised(mapped, reference, [], curve, none)
            return _Made(mapped, curve.gap_ev, none)
        mapping = self.beside.submit(pixels.map_planes, reference, curve, brighter)
        sides = self._sides(bracket, frames, curve, brighter)
        shares, mapped = self._shares(reference, sides, curve, brighter), mapping.result()
        if brighter and shares.luma is not None:
            mapped = self._denoised(mapped, reference, sides, curve, shares.luma)
        elif shares.chroma is not None:
            mapped = self._filled(mapped, reference, sides, curve, shares.chroma)
        planes = synthesise(reference, mapped, sides, shares, self._cubic, self.beside)
        return _Made(planes, curve.gap_ev, shares.chroma, tuple(sides))

    def _curve(self, bracket: Bracket, others: list[Frame], rank: int) -> ToneCurve:
        """Between the reference and frames of exposure `rank`: known, else from what they show."""
        reference, brighter = bracket.reference, rank > bracket.rank
        if not others:
            return photometric.ratio_curve(UNKNOWN_GAP_EV * abs(rank - bracket.rank))
        here, there = self._levels_around(bracket, others), sum(self._levels(frame) for frame in others)
        dark, bright = ([reference], others) if brighter else (others, [reference])
        levels = (here, there) if brighter else (there, here)
        measured = photometric.curve_of_histograms(*levels)
        known = photometric.known_gap(dark[0], bright[0])
        curve = measured if known is None else photometric.with_known_gap(measured, known)
        pair = bracket.cycle * min(rank, bracket.rank) + max(rank, bracket.rank)
        low, high = ([self._block_means(frame) for frame in frames] for frames in (dark, bright))
        return replace(curve, balance=self._balance(pair, low, high, curve))

    def _levels_around(self, bracket: Bracket, others: list[Frame]) -> Levels:
        """Histogram of the reference's exposure at the instant that `others` stand for together."""
        own, same, share = self._levels(bracket.reference), bracket.same, share_of_same(bracket, others)
        if share == 0.0 or same.before is None or same.after is None:
            return own
        return (1 - 2 * share) * own + share * (self._levels(same.before) + self._levels(same.after))

    def _sides(self, bracket: Bracket, frames: list[Frame], curve: ToneCurve, brighter: bool) -> list[Side]:
        """The neighbours with their motion; `brighter`: they are the brighter exposure."""
        own, others = self._picture(bracket.reference), [self._picture(frame) for frame in frames]
        # All in the brighter exposure's scale.
        here = own.brightened(curve) if brighter else own.luma
        there = [other.luma if brighter else other.brightened(curve) for other in others]
        flows: list[Map | None] = [None] * len(frames)
        if self._mode != "off":
            flows = [*self._motion(bracket, frames, here, there, curve)]
        sides = []
        for frame, other, luma, flow in zip(frames, others, there, flows, strict=True):
            seen = _along(luma, flow)
            shown = seen if brighter or len(frames) == 1 else _along(other.luma, flow)
            dark, bright = (here, seen) if brighter else (seen, here)
            deviation = ghosts.deviation(dark, bright, curve)
            sides.append(Side(frame, flow, deviation, ghosts.squared_error(here, seen), seen, shown))
        return sides

    def _shares(self, reference: Frame, sides: list[Side], curve: ToneCurve, brighter: bool) -> Shares:
        """How much of the missing exposure comes from the neighbours; the rest from the reference, mapped."""
        if not self._ghost:
            return Shares(None, None)
        trust, own = ghosts.trust_map([side.deviation for side in sides]), self._picture(reference)
        if brighter:
            zoom = reference.width / own.luma.shape[1]
            share = ghosts.brighter_share(own.brightened(curve), [side.error for side in sides], curve, zoom)
        else:
            share = ghosts.darker_share(own)
        return Shares(trust * share, trust)

    def _denoised(
        self, mapped: tuple[Plane, ...], reference: Frame, sides: list[Side], curve: ToneCurve, share: Map
    ) -> tuple[Plane, ...]:
        """`mapped`, a dark reference brought up, without the noise that would be seen."""
        if not self._denoise:
            return mapped
        raised, errors = self._picture(reference).brightened(curve), [side.error for side in sides]
        level = ghosts.noise_level(raised, errors, curve) if errors else ghosts.USUAL_NOISE
        return denoised(mapped, reference, RaisedNoise(raised, curve, level), share)

    def _filled(
        self, mapped: tuple[Plane, ...], reference: Frame, sides: list[Side], curve: ToneCurve, trust: Map
    ) -> tuple[Plane, ...]:
        """`mapped`, a bright reference darkened; what is clipped in it is guessed where no neighbour is trusted."""
        own = self._picture(reference)
        if own.rgb is None:
            return mapped
        share = fill.unknown(own.rgb, trust)
        if cv2.norm(share, cv2.NORM_INF) < fill.FEWEST:
            return mapped
        size = max(1, share.shape[1] // fill.REDUCED), max(1, share.shape[0] // fill.REDUCED)
        colours = []
        for side in sides:
            rgb = self._picture(side.frame).rgb
            assert rgb is not None
            colours.append(_along(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), side.flow))
        return pixels.added(mapped, fill.lacking(own.rgb, share, colours, curve), reference)

    def _motion(
        self, bracket: Bracket, frames: list[Frame], reference: Map, neighbours: list[Map], curve: ToneCurve
    ) -> list[Map]:
        """Flow of the reference towards each neighbour, both in the brighter exposure's scale.

        Matched across exposures where that is well posed, else from frames of one exposure; where the motion of the
        camera explains the pictures as well, it is that.
        """
        # The last one beside all the others: dense flow is most of the work, and done without the interpreter.
        last = self.beside.submit(self._across[1], reference, neighbours[-1])
        across = [self._across[0](reference, luma) for luma in neighbours[:-1]]
        if self._mode != "flow":
            return [*across, last.result()]
        along = self._even_motion(bracket, frames)
        across.append(last.result())
        grid = self._grid
        reference, *neighbours = (self._on_grid(luma) for luma in (reference, *neighbours))
        share = motion.usable(reference, curve, grid)
        lumas = None
        if len(frames) == 2:
            lumas = self._on_grid(self._luma(frames[0])), self._on_grid(self._luma(frames[1]))
        flows = across if along is None else motion.combined(across, along, share, lumas, grid)
        camera = [dominant_motion(flow, share, grid) for flow in across] if self._dominant else []
        found = [flow for flow in camera if flow is not None]
        if len(found) < len(frames):
            return flows
        return preferred(reference, neighbours, flows, found, lumas, grid)

    def _on_grid(self, luma: Map) -> Map:
        """A picture at working size on the grid of the flow fields."""
        return luma if self._grid == 1 else motion.halved(luma)

    def _even_motion(self, bracket: Bracket, frames: list[Frame]) -> list[Map] | None:
        """Flow of the reference towards each neighbour as far as frames of one exposure tell, if motion is even."""
        here = bracket.reference
        if len(frames) == 2:
            flow = self._same_flow(frames[0], frames[1])
            return list(motion.halfway(flow, part_of_the_way(frames[0], here, frames[1])))
        same = bracket.same.after if frames[0].index > here.index else bracket.same.before
        if same is None:
            return None
        return [self._same_flow(here, same) * np.float32(part_of_the_way(here, frames[0], same))]

    def _same_flow(self, source: Frame, target: Frame) -> Map:
        """Flow between two frames of one exposure; kept, since the next brackets ask for it again."""
        found = self._flows.get(source, target)
        if found is None:
            # The square root spends the 8 bits that flow works on where a dark frame has its detail.
            found = self._along(np.sqrt(self._luma(source)), np.sqrt(self._luma(target)))
            self._flows.put(found, source, target)
        return found

    def _instant_flows(self, bracket: Bracket, sides: list[Side]) -> tuple[Map | None, Map | None]:
        """Flow of the reference towards the pictures of the instants before and after."""
        if self._mode == "off":
            return None, None
        here, same = bracket.reference, bracket.same
        flows: dict[int, Map] = {}
        if self._rate == "full" and not bracket.simultaneous:
            flows = {side.frame.index - here.index: side.flow for side in sides if side.flow is not None}
        every = self._rate == "half" or bracket.simultaneous
        for place, frame in ((-1, same.before), (1, same.after)):
            if frame is not None and (every or frame.index == here.index + place):
                flows[place] = self._same_flow(here, frame)
        if self._most_sides == 1 and not every:
            _complete(flows, bracket)
        return flows.get(-1), flows.get(1)

    def _levels(self, frame: Frame) -> Levels:
        """Histogram of G' at working size."""
        found = self._histograms.get(frame)
        if found is None:
            found = self._histograms.put(photometric.histogram([self._picture(frame).green]), frame)
        return found

    def _block_means(self, frame: Frame) -> balance.Blocks | None:
        """Colours at working size, in blocks."""
        found = self._blocks.get(frame)
        if found is None:
            found = self._blocks.put(balance.blocks(self._picture(frame)), frame)
        return found

    def _luma(self, frame: Frame) -> Map:
        """Normalised luma at working size."""
        return self._picture(frame).luma

    def _picture(self, frame: Frame) -> Picture:
        """The frame at working size."""
        found = self._pictures.get(frame)
        if found is None:
            size = motion.working_size(frame.width, frame.height, self._preset, self._coarse)
            found = self._pictures.put(pixels.picture(frame, size), frame)
        return found


def _along(luma: Map, flow: Map | None) -> Map:
    """A picture at working size as seen from where the flow starts."""
    return luma if flow is None else motion.warp(luma, motion.rescaled(flow, (luma.shape[1], luma.shape[0])))


def part_of_the_way(first: Frame, middle: Frame, last: Frame) -> float:
    """Where `middle` lies in time between the others, 0..1, by pts; by count where pts do not say."""
    if first.pts is not None and middle.pts is not None and last.pts is not None:
        part = (middle.pts - first.pts) / ((last.pts - first.pts) or 1)
        if 0.0 < part < 1.0:
            return part
    part = (middle.index - first.index) / ((last.index - first.index) or 1)
    return part if 0.0 < part < 1.0 else 0.5


def share_of_same(bracket: Bracket, others: Sequence[Frame]) -> float:
    """Share of each of the two frames of the reference's own exposure, when it is compared with frames of another one.

    Where the light changes, two frames around an instant do not show its light. With this share of the frames before
    and after, the means of both exposures are off by the same, whatever the light does as far as its curvature.
    """
    same = bracket.same
    if len(others) < 2 or same.before is None or same.after is None:
        return 0.0
    near, far = others[-1].index - others[0].index, same.after.index - same.before.index
    return min((near / far) ** 2 / 2, 0.25) if far > 0 else 0.0


def _complete(flows: dict[int, Map], bracket: Bracket) -> None:
    """Where the flow towards one neighbouring instant is known, and the other is there too: motion is even."""
    frames = [f for pair in bracket.missing.values() for f in (pair.before, pair.after) if f is not None]
    places = {frame.index - bracket.reference.index for frame in frames}
    for place in (-1, 1):
        if place not in flows and place in places and -place in flows:
            flows[place] = -flows[-place]


def _gaps(bracket: Bracket, gaps: dict[int, float]) -> tuple[float, ...]:
    """Exposure of each rank relative to the darkest, from the gaps between each and the reference."""
    signed = [-gaps[r] if r < bracket.rank else gaps.get(r, 0.0) for r in range(bracket.cycle)]
    return tuple(gap - signed[0] for gap in signed)
