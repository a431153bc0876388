"""Classification: which exposure of the cycle a frame has, by evidence and never by counting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from streamfuse.core.frame import ClassifiedFrame, Frame
from streamfuse.core.protocols import Stage
from streamfuse.core.values import First
from streamfuse.errors import ExposureError, UsageError
from streamfuse.exposure.evidence import MAX_CYCLE, MIN_GAP, Cycle, Evidence, evidence_of, likeness
from streamfuse.exposure.metadata import MetadataRanks
from streamfuse.exposure.opening import find_opening
from streamfuse.exposure.sequence import Sequence
from streamfuse.exposure.slots import Slots
from streamfuse.exposure.tracker import ALONE, Tracker, offsets_of
from streamfuse.imaging.photometric import estimate_curve

WINDOW = 24
"""Frames that are held until the cycle is known; twice that if they do not alternate yet (a start in black)."""
TOLD_WINDOW = 8
"""The same where the source tells the place of each frame in the bracket, or a camera the exposure of each."""
_CUT_LIKENESS = 0.4  # rank correlation with all the last frames below which the scene has changed
_NO_EVIDENCE = 0.03  # level gap below which exposures cannot be told apart at all
_CLEAR_STEP = 0.1  # difference of level that says for certain which of two frames is brighter
MAX_BRACKET = 9  # photographs
_SPREAD = 0.1  # of the mean step from one exposure of a bracket to the next, the least
_MAX_PLACES = 20  # where the order is broken that are told by number


@dataclass(frozen=True, slots=True)
class ClassificationReport:
    """What is known of the exposures.

    Args:
        cycle: number of different exposures.
        order: their names as they appear from the first frame, such as ("under", "over"); with three the middle one is
            "mid", with more they are "mid1", "mid2" ... from dark to bright.
        gap_ev: exposure difference between the darkest and the brightest, in EV: by metadata, else a rough figure from
            the histograms of the first frames.
        confidence: 0..1: 1 = changes from frame to frame inside an exposure are nothing against the difference
            between exposures, or the metadata say which is which.
        drops_detected: places where the order was broken: a frame lost or doubled.
        drops_at: the first frames after those places, by their numbers; at most 20 of them.
        disagreements: frames whose luma changed against what their metadata, or the order of the files, say.
        first_wrong: the first frame is clearly not the exposure that `first` names; the luma was believed.
        cycle_seen: the number of exposures that the frames show, where it is not the one that was asked for: `cycle`
            where it could be found anyhow, else the frames were believed.
        metadata_dropped: the metadata contradicted the luma in most of the first frames, and were not used.
        one_bracket: there are few frames, and each is of another exposure: photographs of one bracket, and no film.
    """

    cycle: int
    order: tuple[str, ...]
    gap_ev: float
    confidence: float
    drops_detected: int
    drops_at: tuple[int, ...]
    disagreements: int
    first_wrong: bool = False
    cycle_seen: int | None = None
    metadata_dropped: bool = False
    one_bracket: bool = False


@dataclass(frozen=True, slots=True)
class _Held:
    """A frame without a label yet."""

    frame: Frame
    evidence: Evidence
    cut: bool
    place: int = 0  # among the frames of its instant


class ExposureClassifier(Stage[Frame, ClassifiedFrame]):
    """Turns `Frame` into `ClassifiedFrame`, one for one and in order.

    The first `WINDOW` frames are held until the cycle is known. From then on a `Tracker` finds the order that explains
    the brightness of the frames best; a frame is held only while two explanations are about as good. An exposure that
    is not the expected one means that frames were lost or doubled: it is marked `repaired`, and the order goes on from
    there. Where frames do not alternate at all (a title, a picture that is held), they are marked `alone`.

    Metadata (`frame.exposure`) come first where all of the first frames have them and their luma does not contradict
    most of it. `first` and `cycle` are hints: `first` decides where luma does not, and `cycle` where so many exposures
    can be told apart. What the luma says against them is in the report.

    Args:
        cycle: number of different exposures, 2 to 5; found by itself if None.
        first: exposure of the first frame, for a cycle of two.
        simultaneous: N > 1 if each instant comes as N frames of the same pts.
        longest_opening: frames at the beginning that need not alternate, such as a title; they go on as `alone`.

    Raises:
        UsageError: `cycle`, `first` and `simultaneous` contradict each other.
        ExposureError: from `push` or `flush`: the frames do not alternate.
    """

    def __init__(
        self,
        cycle: int | None = None,
        first: First | None = None,
        simultaneous: int = 1,
        longest_opening: int = 0,
    ) -> None:
        if cycle is not None and not 2 <= cycle <= MAX_CYCLE:
            raise UsageError(f"A cycle of {cycle} exposures is not supported: give 2 to {MAX_CYCLE}.")
        if first is not None and cycle not in (None, 2):
            raise UsageError(f"'first' names one of two exposures: it does not go with a cycle of {cycle}.")
        if simultaneous > 1 and cycle not in (None, simultaneous):
            raise UsageError(
                f"{simultaneous} inputs taken together are a cycle of {simultaneous}, not of {cycle}."
            )
        self._cycle = 2 if first is not None else cycle
        self._asked = cycle
        self._first = first
        self._slots = Slots(simultaneous) if simultaneous > 1 else None
        self._held: list[_Held] = []
        self._opening_left = longest_opening
        self._levels: tuple[float, ...] = ()  # of the frames that the cycle was found in
        self._known: Cycle | None = None
        self._metadata = MetadataRanks(())
        self._last: dict[int, Evidence] = {}  # the last frame of each exposure, in this shot
        self._sequence = Sequence()
        self._tracker: Tracker | None = None
        self._previous: tuple[int, float] | None = None  # rank and level of the last labelled frame
        self._order: tuple[str, ...] = ()
        self._gap_ev = 0.0
        self._confidence = 0.0
        self._drops, self._drops_at = 0, list[int]()
        self._disagreements = 0
        self._first_wrong = False
        self._cycle_seen: int | None = None
        self._metadata_dropped = False
        self._one_bracket = False

    @property
    def report(self) -> ClassificationReport | None:
        """Give what is known so far; None until the first frames have been labelled."""
        if not self._order:  # set last: another thread may ask at any moment
            return None
        return ClassificationReport(
            self._count,
            self._order,
            self._gap_ev,
            self._confidence,
            self._drops,
            tuple(self._drops_at),
            self._disagreements,
            self._first_wrong,
            self._cycle_seen,
            self._metadata_dropped,
            self._one_bracket,
        )

    def push(self, item: Frame) -> Iterable[ClassifiedFrame]:
        """Take the next frame; give those whose exposure is known now."""
        evidence = evidence_of(item)
        place = self._slots.next(item) if self._slots else 0
        held = _Held(item, evidence, place == 0 and self._starts_shot(evidence), place)
        if self._known is not None:
            return self._go_on(held)
        self._held.append(held)
        if len(self._held) == TOLD_WINDOW and not self._slots and all(_is_told(h.frame) for h in self._held):
            known = self._by_metadata()
            return [] if known is None else self._begin(known, ended=False)
        return self._start(ended=False) if len(self._held) % WINDOW == 0 else []

    def flush(self) -> Iterable[ClassifiedFrame]:
        """The input has ended: label what is held."""
        if self._known is not None:
            return self._resolve()
        return self._start(ended=True) if self._held else []

    # The first frames

    def _start(self, ended: bool) -> list[ClassifiedFrame]:
        known = self._by_slots() if self._slots else self._by_metadata() or self._by_luma()
        last = ended or len(self._held) >= 2 * WINDOW
        if known is None and last and self._asked is not None and not self._slots:
            known = self._by_luma(believed=True)
        if known is None:
            if not last:
                return []
            if ended or self._opening_left < WINDOW or self._slots:
                raise ExposureError(self._no_alternation())
            self._opening_left -= WINDOW
            passed, self._held = self._held[:WINDOW], self._held[WINDOW:]
            return [
                ClassifiedFrame(held.frame, 0, self._cycle or 2, cut=held.cut, alone=True) for held in passed
            ]
        return self._begin(known, ended)

    def _begin(self, known: Cycle, ended: bool) -> list[ClassifiedFrame]:
        self._known = known
        self._sequence = Sequence(known.ranks)
        self._tracker = self._make_tracker(known)
        waiting, self._held = self._held, []
        out = [labelled for held in waiting for labelled in self._go_on(held)]
        if ended:
            out += self._resolve()
        self._one_bracket = ended and _is_one_bracket([held.evidence.level for held in waiting])
        self._first_report(known, waiting, out)
        return out

    def _by_slots(self) -> Cycle | None:
        """Frames of one instant come in a fixed order: learn it from the mean of each place."""
        assert self._slots is not None
        places = [held.place for held in self._held]
        levels = [held.evidence.level for held in self._held]
        told = [held.frame.exposure.rank for held in self._held if held.frame.exposure is not None]
        if len(told) == len(self._held) and None not in told:
            return Cycle((), self._slots.count, 1.0, 0.0)
        gap = self._slots.learn(places, levels)
        return Cycle((), self._slots.count, gap, 0.0) if gap > _CLEAR_STEP / 2 else None

    def _by_metadata(self) -> Cycle | None:
        self._metadata = MetadataRanks([held.frame for held in self._held])
        count = self._metadata.count
        if count < 2 or count > MAX_CYCLE or self._cycle not in (None, count):
            return None
        ranks = [self._metadata.rank(held.frame) or 0 for held in self._held]
        steps = np.diff([held.evidence.level for held in self._held])
        told = np.diff(ranks)
        clear = (np.abs(steps) > _CLEAR_STEP) & (told != 0)
        if clear.sum() > 2 and (np.sign(steps[clear]) != np.sign(told[clear])).mean() > 0.5:
            self._disagreements += int(clear.sum())
            self._metadata_dropped = True
            self._metadata = MetadataRanks(())
            return None
        return Cycle(tuple(ranks), count, MIN_GAP, 0.0)

    def _by_luma(self, believed: bool = False) -> Cycle | None:
        """By what the frames show; `believed`: whatever number of exposures was asked for."""
        shots = [[held.evidence.level for held in shot] for shot in _shots(self._held)]
        found = find_opening(shots, None if believed else self._cycle)
        if found is not None:
            seen = find_opening(shots) if self._asked is not None else None
            self._cycle_seen = None if seen is None or seen.cycle.count == self._asked else seen.cycle.count
            self._levels = found.levels
            return found.cycle
        if self._first is not None:  # nothing to see: the user's word is all there is
            return Cycle((0, 1, 0, 1) if self._first == "under" else (1, 0, 1, 0), 2, 0.0, 0.0)
        return None

    def _first_report(self, known: Cycle, waiting: list[_Held], out: list[ClassifiedFrame]) -> None:
        labels = [item.rank for item in out if not item.alone] or list(known.ranks)
        start = labels[0] if labels else 0
        if self._first is not None and labels and labels[0] != ("under", "over").index(self._first):
            self._first_wrong = True
        seen = {
            item.rank: held.evidence.thumbnail
            for held, item in zip(waiting, out, strict=False)
            if not item.alone
        }
        gap = self._metadata.gap_ev
        if gap is None and {0, known.count - 1} <= set(seen):
            gap = estimate_curve([seen[0]], [seen[known.count - 1]]).gap_ev
        self._gap_ev = gap or 0.0
        order = (
            labels[: known.count] if self._slots else Sequence(known.ranks).first_cycle(start, known.count)
        )
        self._order = tuple(_names(known.count)[rank] for rank in order)
        self._confidence = 1.0 if self._metadata.count > 1 else known.confidence

    def _no_alternation(self) -> str:
        means = [float(held.evidence.thumbnail.mean()) for held in self._held]
        if len(means) == 1:
            return "There is only one frame: at least two of different exposure are needed."
        return (
            f"The first {len(means)} frames do not alternate in exposure (mean luma {min(means):.3f} to "
            f"{max(means):.3f} of white, with no order in it), as in an ordinary film, so there is nothing to fuse. "
            "If you know of more than one exposure, "
            f"{'' if self._asked else 'say how many with --cycle, or '}"
            "name that of each frame in a file for --exposures."
        )

    # Every frame after that

    def _go_on(self, held: _Held) -> list[ClassifiedFrame]:
        out = self._resolve() if held.cut else []
        told = self._told(held)
        if told is not None:
            out += self._resolve()
            if self._tracker is not None:
                self._tracker.told(told, held.evidence.level)
            return [*out, self._label(held, told)]
        if self._tracker is None:
            return [*out, self._label(held, self._usual())]
        if held.cut:
            self._last.clear()
            self._tracker.cut()
        self._held.append(held)
        decided = self._tracker.add(held.evidence.level)
        return out + self._labelled(decided)

    def _told(self, held: _Held) -> int | None:
        """Rank by metadata or by place."""
        if self._slots is None:
            return self._metadata.rank(held.frame)
        exposure = held.frame.exposure
        if exposure is not None and exposure.rank is not None:
            return exposure.rank
        return self._slots.ranks[held.place]

    def _usual(self) -> int:
        """Give the rank that the order alone gives, where nothing is to be seen."""
        expected = self._sequence.expected()
        assert self._known is not None
        return (self._known.ranks or (0,))[0] if expected is None else expected

    def _resolve(self) -> list[ClassifiedFrame]:
        """Label the frames that are held, by the best explanation there is."""
        return [] if self._tracker is None else self._labelled(self._tracker.finish())

    def _labelled(self, ranks: list[int]) -> list[ClassifiedFrame]:
        ready, self._held = self._held[: len(ranks)], self._held[len(ranks) :]
        return [self._label(held, rank) for held, rank in zip(ready, ranks, strict=True)]

    def _make_tracker(self, known: Cycle) -> Tracker | None:
        """None where nothing is to be seen."""
        if known.gap < _NO_EVIDENCE or self._slots is not None:
            return None
        levels = self._levels or tuple(held.evidence.level for held in self._held)
        offsets = offsets_of(levels, known.ranks, known.count) if len(levels) == len(known.ranks) else None
        if offsets is None:
            offsets = [max(known.gap, MIN_GAP) * rank for rank in range(known.count)]
        return Tracker(offsets, Sequence(known.ranks))

    def _label(self, held: _Held, rank: int) -> ClassifiedFrame:
        if rank == ALONE:
            self._previous = None
            self._sequence.forget_place()
            self._last = {ALONE: held.evidence}
            return ClassifiedFrame(held.frame, 0, self._count, cut=held.cut, alone=True)
        expected = self._sequence.expected()
        repaired = expected not in (None, rank) and not held.cut and self._slots is None
        self._drops += repaired
        if repaired and len(self._drops_at) < _MAX_PLACES:
            self._drops_at.append(held.frame.index)
        if self._previous is not None and not held.cut:
            before, level = self._previous
            step = held.evidence.level - level
            self._disagreements += self._is_told and abs(step) > _CLEAR_STEP and (rank - before) * step < 0
        self._previous = rank, held.evidence.level
        self._last[rank] = held.evidence
        self._sequence.note(rank)
        return ClassifiedFrame(held.frame, rank, self._count, repaired, held.cut)

    def _starts_shot(self, evidence: Evidence) -> bool:
        """The picture resembles none of the last frames of its shot."""
        shot: list[Evidence] = [] if self._held and self._held[0].cut else list(self._last.values())
        for held in self._held[-MAX_CYCLE:]:
            shot = [held.evidence] if held.cut else [*shot, held.evidence]
        enough = len(shot) >= (self._count or 2) or ALONE in self._last
        return enough and all(likeness(evidence, other) < _CUT_LIKENESS for other in shot)

    @property
    def _is_told(self) -> bool:
        """Tell whether somebody says which exposure is which, so that the luma may contradict it."""
        return self._slots is not None or self._metadata.count > 1

    @property
    def _count(self) -> int:
        return 0 if self._known is None else self._known.count


def _is_told(frame: Frame) -> bool:
    exposure = frame.exposure
    live = frame.captured_at is not None
    return exposure is not None and (exposure.rank is not None or (live and exposure.ev is not None))


def _is_one_bracket(levels: list[float]) -> bool:
    """Tell whether no two of a few frames are of one exposure: their levels are spread over the whole range."""
    if not 2 < len(levels) <= MAX_BRACKET:
        return False
    steps = np.diff(np.sort(levels))
    return bool(steps.min() > _SPREAD * steps.mean())


def _shots(frames: list[_Held]) -> list[list[_Held]]:
    """Give the frames, split at cuts."""
    shots: list[list[_Held]] = [[]]
    for held in frames:
        if held.cut:
            shots.append([])
        shots[-1].append(held)
    return shots


def _names(count: int) -> tuple[str, ...]:
    """Names of the exposures from dark to bright."""
    middle = ("mid",) if count == 3 else tuple(f"mid{number}" for number in range(1, count - 1))
    return ("under", *middle, "over")
