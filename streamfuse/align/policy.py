"""How exposures of one instant are brought together: what is matched, what is trusted, what comes from where.

    bracket ──► tone curve ──► motion ──► comparison ──► shares ──► synthesis ──► every exposure of the instant
                (photometric)  (flow,     (ghost)        (ghost)    (synthesis,
                               dominant)                            denoise, fill)

It is written once; `Operations` do the arithmetic, on whatever they compute with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Generic

from streamfuse.align.balance import NEUTRAL, Balance, BalanceTracker, Blocks
from streamfuse.align.flow import SETTINGS
from streamfuse.align.in_time import part_of_the_way, share_of_same
from streamfuse.align.operations import F, M, Operations, P, Planes, Shares, Side, T
from streamfuse.align.steady_gap import GapTracker
from streamfuse.core.frame import Bracket, Frame
from streamfuse.core.turns import Turn, Turns
from streamfuse.core.values import AlignMode, Preset, Rate
from streamfuse.imaging import photometric
from streamfuse.imaging.photometric import IntensityMapping, Levels
from streamfuse.imaging.recent import Recent

UNKNOWN_GAP_EV = 2.0  # between exposures next to each other, where no frame within reach tells


@dataclass(frozen=True, slots=True)
class AlignSettings:
    """How to align.

    Args:
        preset: working size, quality of the flow and interpolation.
        mode: "flow" = dense motion, "global" = one homography per neighbour, "off" = neighbours as they are.
        ghost: fall back to the reference where a neighbour disagrees with it.
        rate: as given to the `Pairer`; at half rate the instants before and after are those of the same exposure.
        denoise: take the noise out of a dark reference where it stands in for a brighter exposure.
        coarse: work at `flow.COARSE` of the size that the preset stands for.
        careful: the motion of the camera, whatever the preset, and both neighbours for an exposure that is darker than
            the reference: where what is made is shown as it is, errors that a fused picture hides are flicker. A
            brighter exposure takes as many neighbours as the preset, for a dark reference shows all of it; where that
            is one, a cubic keeps it as sharp as the frames that were taken bright.
    """

    preset: Preset = "balanced"
    mode: AlignMode = "flow"
    ghost: bool = True
    rate: Rate = "full"
    denoise: bool = True
    coarse: bool = False
    careful: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Made(Generic[F, M, Planes]):
    """One exposure of an instant.

    Args:
        planes: of the whole frame.
        gap_ev: between it and the reference.
        trust: in its neighbours, 0..1 at working size; None = everywhere.
        flows: of the reference towards its neighbours, by how many frames these came later.
    """

    planes: Planes
    gap_ev: float
    trust: M | None = None
    flows: Mapping[int, F] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Instant(Generic[F, M, Planes]):
    """All exposures of one instant but that of its reference, and the motion around it.

    Args:
        made: by rank.
        gaps_ev: exposure of each rank relative to the darkest.
        flow_before, flow_after: of the reference towards the pictures of the instants before and after.
        balances: as in `AlignedBracket`.
    """

    made: Mapping[int, Made[F, M, Planes]]
    gaps_ev: tuple[float, ...]
    flow_before: F | None
    flow_after: F | None
    balances: tuple[Balance, ...] = ()


class Alignment(Generic[P, F, M, T, Planes]):
    """Makes every exposure of an instant from the frames of its bracket.

    Only how far exposures are apart, and how their white balance differs, depends on the brackets before, too: see
    `align.steady_gap` and `align.balance`.

    A missing exposure is warped from its neighbours on both sides; where they disagree with the reference (after
    both are brought to one scale) the reference itself, brought to that exposure's scale, takes over. An
    exposure that no frame within reach has, where another one is there, is all made from the reference, with trust 0.

    Args:
        operations: the backend.
        settings: how.
    """

    def __init__(self, operations: Operations[P, F, M, T, Planes], settings: AlignSettings) -> None:
        self._ops = operations
        self._settings = settings
        self._effort = SETTINGS[settings.preset]
        # Brighter exposures are made from one side, darker ones from both.
        self._uneven = settings.careful and self._effort.sides == 1
        self._pictures: Recent[P] = Recent(12)
        self._histograms: Recent[Levels] = Recent(12)
        self._blocks: Recent[Blocks | None] = Recent(12)
        self._flows: Recent[F] = Recent(8)
        self._matches: Recent[F] = Recent(8)
        self._gap, self._balance = GapTracker(), BalanceTracker()
        self._turns = Turns()
        self._open = 0  # brackets that are worked on at once
        self._counting = threading.Lock()

    def align(self, bracket: Bracket) -> Instant[F, M, Planes]:
        """Align one bracket; a reference without any partner stands for every exposure, and passes as it is."""
        return self.begin(bracket)()

    def begin(self, bracket: Bracket) -> Callable[[], Instant[F, M, Planes]]:
        """Take the next bracket, in order; what is returned aligns it, in any thread, beside others."""
        self._count(1)
        return partial(self._aligned, bracket, self._turns.next())

    def _aligned(self, bracket: Bracket, turn: Turn) -> Instant[F, M, Planes]:
        try:
            return self._align(bracket, turn)
        finally:
            turn.skip()
            self._count(-1)

    def _count(self, more: int) -> None:
        """Keep what is known of the frames of all brackets that are worked on."""
        with self._counting:
            self._open += more
            for recent, size in (
                (self._pictures, 12),
                (self._histograms, 12),
                (self._blocks, 12),
                (self._flows, 8),
                (self._matches, 8),
            ):
                recent.size = max(recent.size, size + 2 * self._open)

    def _align(self, bracket: Bracket, turn: Turn) -> Instant[F, M, Planes]:
        others = [rank for rank in range(bracket.cycle) if rank != bracket.rank]
        if bracket.alone:
            planes = self._ops.taken(self.picture(bracket.reference))
            alone: dict[int, Made[F, M, Planes]] = {rank: Made(planes, 0.0) for rank in others}
            return Instant(alone, (0.0,) * bracket.cycle, None, None)
        sides = {rank: self._neighbours(bracket, rank) for rank in others}
        for frame in (bracket.reference, *chain(*sides.values())):  # beside other brackets, whose turn it is
            self._levels(frame)
            self._block_means(frame)
        with turn:  # of gap and white balance, which the brackets before this one have a say in
            curves = {rank: self._curve(bracket, frames, rank) for rank, frames in sides.items()}
        made = {rank: self._make(bracket, rank, sides[rank], curves[rank]) for rank in others}
        before, after = self._instant_flows(bracket, made)
        gaps = _gaps(bracket, {rank: one.gap_ev for rank, one in made.items()})
        return Instant(made, gaps, before, after, _balances(bracket, curves))

    def _neighbours(self, bracket: Bracket, rank: int) -> list[Frame]:
        """Give the frames that one missing exposure is made from."""
        pair = bracket.missing.get(rank)
        frames = [] if pair is None else [frame for frame in (pair.before, pair.after) if frame is not None]
        return frames[: 2 if self._uneven and rank < bracket.rank else self._effort.sides]

    def _make(
        self, bracket: Bracket, rank: int, frames: Sequence[Frame], curve: IntensityMapping
    ) -> Made[F, M, Planes]:
        """Give one missing exposure."""
        ops, brighter = self._ops, rank > bracket.rank
        if bracket.simultaneous and frames:
            return Made(ops.taken(self.picture(frames[0])), curve.gap_ev)
        reference, tone = self.picture(bracket.reference), ops.tone(curve)
        mapping = ops.mapped(reference, tone, brighter)
        # In the brighter exposure's scale, as all that is compared.
        here = ops.brightened(reference, tone) if brighter else ops.luma(reference)
        if not frames:
            mapped, none = mapping.result(), ops.nothing(reference)
            if brighter and self._settings.denoise:
                mapped = ops.denoised(mapped, reference, here, (), tone, none)
            return Made(mapped, curve.gap_ev, none)
        sides = self._sides(bracket, frames, here, tone, brighter)
        shares, mapped = self._shares(reference, here, sides, tone, brighter), mapping.result()
        if shares.luma is not None and brighter and self._settings.denoise:
            mapped = ops.denoised(mapped, reference, here, sides, tone, shares.luma)
        elif shares.chroma is not None and not brighter:
            mapped = ops.filled(mapped, reference, sides, tone, shares.chroma)
        planes = ops.synthesised(reference, mapped, sides, shares)
        flows = {
            frame.index - bracket.reference.index: side.flow
            for frame, side in zip(frames, sides, strict=True)
            if side.flow is not None
        }
        return Made(planes, curve.gap_ev, shares.chroma, flows)

    # Exposure

    def _curve(self, bracket: Bracket, others: Sequence[Frame], rank: int) -> IntensityMapping:
        """Between the reference and frames of exposure `rank`: known, else from what they show."""
        reference, brighter = bracket.reference, rank > bracket.rank
        if not others:
            return photometric.ratio_curve(UNKNOWN_GAP_EV * abs(rank - bracket.rank))
        here, there = self._levels_around(bracket, others), sum(self._levels(frame) for frame in others)
        dark, bright = ([reference], others) if brighter else (others, [reference])
        pair = bracket.cycle * min(rank, bracket.rank) + max(rank, bracket.rank)
        measured = photometric.curve_of_histograms(*((here, there) if brighter else (there, here)))
        one_side = self._effort.sides == 1 and not self._uneven  # is all that is ever asked
        whole = one_side or share_of_same(bracket, others) > 0.0
        curve = _known(dark[0], bright[0], self._gap(pair, measured, whole))
        low, high = ([self._block_means(frame) for frame in frames] for frames in (dark, bright))
        return replace(curve, balance=self._balance(pair, low, high, curve))

    def _levels_around(self, bracket: Bracket, others: Sequence[Frame]) -> Levels:
        """Histogram of the reference's exposure at the instant that `others` stand for together."""
        own, same, share = self._levels(bracket.reference), bracket.same, share_of_same(bracket, others)
        if share == 0.0 or same.before is None or same.after is None:
            return own
        return (1 - 2 * share) * own + share * (self._levels(same.before) + self._levels(same.after))

    # What comes from where

    def _sides(
        self, bracket: Bracket, frames: Sequence[Frame], here: M, tone: T, brighter: bool
    ) -> Sequence[Side[P, F, M]]:
        """Give the neighbours with their motion; `brighter`: they are the brighter exposure."""
        ops, others = self._ops, [self.picture(frame) for frame in frames]
        there = [ops.luma(other) if brighter else ops.brightened(other, tone) for other in others]
        flows: Sequence[F | None] = [None] * len(frames)
        if self._settings.mode != "off":
            flows = self._motion(bracket, frames, here, there, tone, brighter)
        return ops.compared(here, others, there, flows, tone, brighter)

    def _shares(
        self, reference: P, here: M, sides: Sequence[Side[P, F, M]], tone: T, brighter: bool
    ) -> Shares[M]:
        """Tell how much of the missing exposure comes from the neighbours; the rest from the reference, mapped."""
        if not self._settings.ghost:
            return Shares(None, None)
        ops = self._ops
        trust = ops.trust(sides)
        share = ops.brighter_share(reference, here, sides, tone) if brighter else ops.darker_share(reference)
        return Shares(ops.times(trust, share), trust)

    # Motion

    def _motion(
        self,
        bracket: Bracket,
        frames: Sequence[Frame],
        reference: M,
        neighbours: Sequence[M],
        tone: T,
        brighter: bool,
    ) -> Sequence[F]:
        """Flow of the reference towards each neighbour, both in the brighter exposure's scale.

        Matched across exposures where that is well posed, else from frames of one exposure; where the motion of the
        camera explains the pictures as well, it is that.
        """
        ops = self._ops
        if self._settings.mode != "flow":
            return ops.matched(reference, neighbours).result()
        if len(frames) == 2 or self._uneven:  # the frame there asks for it, too
            across: Sequence[F] = [self._matched(bracket.reference, frame, brighter) for frame in frames]
            along = self._even_motion(bracket, frames)
        else:  # a neighbour that is alone is followed the way it is asked for: nothing makes up for an error
            matching = ops.matched(reference, neighbours)
            along = self._even_motion(bracket, frames)  # meanwhile
            across = matching.result()
        here, there = ops.on_grid(reference), [ops.on_grid(luma) for luma in neighbours]
        share = ops.usable(here, tone)
        lumas = None
        if len(frames) == 2:
            first, second = (ops.on_grid(ops.luma(self.picture(frame))) for frame in frames)
            lumas = first, second
        flows = across if along is None else ops.combined(across, along, share, lumas)
        if not self._effort.dominant and not self._settings.careful:
            return flows
        # Of a brighter neighbour the dark reference shows all there is.
        if lumas is not None and not brighter and self._effort.dominant:
            flows = ops.reconsidered(reference, neighbours, across, flows, [self.picture(f) for f in frames])
        return ops.steadied(here, there, across, flows, share, lumas)

    def _even_motion(self, bracket: Bracket, frames: Sequence[Frame]) -> Sequence[F] | None:
        """Flow of the reference towards each neighbour as far as frames of one exposure tell, if motion is even."""
        here = bracket.reference
        if len(frames) == 2:
            part = part_of_the_way(frames[0], here, frames[1])
            return self._ops.halfway(self._same_flow(frames[0], frames[1]), part)
        same = bracket.same.after if frames[0].index > here.index else bracket.same.before
        if same is None:
            return None
        part = part_of_the_way(here, frames[0], same)
        if self._uneven and same.index < here.index:  # the frame between the two asks for the way from there
            return [self._ops.scaled(self._ops.halfway(self._same_flow(same, here), 1.0)[0], part)]
        return [self._ops.scaled(self._same_flow(here, same), part)]

    def _instant_flows(
        self, bracket: Bracket, made: Mapping[int, Made[F, M, Planes]]
    ) -> tuple[F | None, F | None]:
        """Flow of the reference towards the pictures of the instants before and after."""
        if self._settings.mode == "off":
            return None, None
        here, same, full = bracket.reference, bracket.same, self._settings.rate == "full"
        flows: dict[int, F] = {}
        if full and not bracket.simultaneous:
            for one in made.values():
                flows |= one.flows
        every = not full or bracket.simultaneous
        for place, frame in ((-1, same.before), (1, same.after)):
            if frame is not None and (every or frame.index == here.index + place):
                flows[place] = self._same_flow(here, frame)
        if (
            self._effort.sides == 1 and not every
        ):  # one is known, and the other instant is there: motion is even
            pairs = bracket.missing.values()
            there = {
                f.index - here.index for pair in pairs for f in (pair.before, pair.after) if f is not None
            }
            for place in (-1, 1):
                if place not in flows and place in there and -place in flows:
                    flows[place] = self._ops.scaled(flows[-place], -1.0)
        return flows.get(-1), flows.get(1)

    # What is known of each frame, kept, since the next brackets ask for it again

    def _same_flow(self, source: Frame, target: Frame) -> F:
        """Flow between two frames of one exposure."""
        return self._flows.of(
            lambda: self._ops.moved(self.picture(source), self.picture(target)), source, target
        )

    def _matched(self, reference: Frame, neighbour: Frame, brighter: bool) -> F:
        """Flow of a reference towards a neighbour, which is the `brighter` exposure or not.

        Two frames that follow each other ask for it both, each for its way. It is found once, from the earlier frame
        towards the later one and by nothing but these two, so that any segment of a film has the same; the way back
        is its inverse.
        """
        earlier, later = sorted((reference, neighbour), key=lambda frame: frame.index)

        def matched() -> F:
            dark, bright = (reference, neighbour) if brighter else (neighbour, reference)
            measured = photometric.curve_of_histograms(self._levels(dark), self._levels(bright))
            tone = self._ops.tone(_known(dark, bright, measured))
            raised = self._ops.brightened(self.picture(dark), tone)
            luma = self._ops.luma(self.picture(bright))
            source, target = (raised, luma) if dark is earlier else (luma, raised)
            return self._ops.matched(source, [target]).result()[0]

        found = self._matches.of(matched, earlier, later)
        return found if reference is earlier else self._ops.halfway(found, 1.0)[0]

    def _levels(self, frame: Frame) -> Levels:
        return self._histograms.of(lambda: self._ops.histogram(self.picture(frame)), frame)

    def _block_means(self, frame: Frame) -> Blocks | None:
        return self._blocks.of(lambda: self._ops.blocks(self.picture(frame)), frame)

    def picture(self, frame: Frame) -> P:
        """Give a frame where it is computed with."""
        return self._pictures.of(lambda: self._ops.picture(frame), frame)


def _known(dark: Frame, bright: Frame, measured: IntensityMapping) -> IntensityMapping:
    """Give the curve from one exposure to another: known of the frames, else as it was measured."""
    known = photometric.known_gap(dark, bright)
    return measured if known is None else photometric.with_known_gap(measured, known)


def _gaps(bracket: Bracket, gaps: Mapping[int, float]) -> tuple[float, ...]:
    """Exposure of each rank relative to the darkest, from the gaps between each and the reference."""
    signed = [-gaps[r] if r < bracket.rank else gaps.get(r, 0.0) for r in range(bracket.cycle)]
    return tuple(gap - signed[0] for gap in signed)


def _balances(bracket: Bracket, curves: Mapping[int, IntensityMapping]) -> tuple[Balance, ...]:
    """`AlignedBracket.balances`, from the curves between each exposure and the reference."""
    if all(curve.neutral for curve in curves.values()):
        return ()
    towards = [NEUTRAL] * bracket.cycle  # what brings each to the reference's
    for rank, curve in curves.items():
        red, blue = curve.balance
        towards[rank] = (red, blue) if rank < bracket.rank else (1 / red, 1 / blue)
    red, blue = towards[0]
    return tuple((own[0] / red, own[1] / blue) for own in towards)
