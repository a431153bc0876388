"""Which exposure each frame has, from its brightness: a few explanations are followed until one is clearly the best.

An explanation says for every frame so far which exposure it has, and what happened: frames lost or doubled (the order
is broken), or the light changed (the level of all exposures jumps). The level of a frame is modelled as b + g_rank: the
scene's brightness b moves steadily (a fade, a pan from window to wall), the offsets g of the exposures change slowly.
A Kalman filter per explanation predicts the next level; what does not fit costs. This is multiple hypothesis tracking
(Reid 1979) on one number per frame.

Some frames do not alternate at all: a title, a picture that is held, a camera that has not settled. There the level
stays, or goes on as it went: they are `ALONE`.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from streamfuse.exposure.sequence import Sequence

Vector = npt.NDArray[np.float64]

ALONE = -1
"""In place of a rank: of a frame where exposures do not alternate."""

# Costs are negative log-likelihoods.
_STOPS = 8.0  # the alternation ends
_STOPS_AT_CUT = 2.0
_MIN_STILL = 3  # frames that end it: two equal ones are a loss
_STOPPED = 0.3  # for each frame without alternation: where nothing is to be seen, the order goes on
_BROKEN = 5.0  # frames lost or doubled: about one in 150
_BROKEN_AT_CUT = 1.0  # films are cut without regard to the order
_JUMP = 8.0  # the light changes from one frame to the next
_JUMP_SIZE = 2.0  # more for each unit of level: of two explanations with a jump the smaller one is better
_CLEAR = 4.0  # an explanation that is so much worse than the best does not count any more
_HOPELESS = 12.0  # and is forgotten
_MAX_COUNT = 24  # explanations that are followed
_LEVEL_NOISE = 0.03  # sigma of a level by what moves in the picture
_MEAN_NOISE = 0.003  # sigma of the mean luma that it is made from: rounding, compression
_BLACK_NOISE = 0.01  # by how much noise, which cannot be less than black, lifts the mean of a dark frame
_STILL_NOISE, _STILL_MEAN_NOISE = 0.02, 0.0005  # the same of frames that show the same
_STEADY = 0.02  # sigma by which brightness, its speed and offsets change from frame to frame
_UNSTEADY = 0.3  # the same as a share of the speed
# Sigma of the speed at the start of a shot, which may fade in from black, fast at first; and in another light.
_UNKNOWN_SPEED, _LIGHT_SPEED = 0.3, 0.1
_OFFSET_KNOWN, _OFFSET_UNSURE = (
    0.3,
    0.2,
)  # sigma of the first offsets, and what a cut or a jump adds, as shares of them
_OFFSET_MOVES = 0.5  # sigma by which offsets change where editors fade, as a share of the speed, at most
_UNKNOWN = 9.0  # variance of a brightness that nothing is known of
_MIN_OFFSET = 0.03  # between exposures next to each other
_BRIGHTEST = 6.3  # level above which there is none
_OFFSET_RANGE = (0.1, 8.0)  # times its first value: what clipping, darkness or a fade makes of an offset
_FASTEST = 0.4  # share of the smallest offset by which brightness moves from one frame to the next


@dataclass(frozen=True, slots=True, eq=False)
class _Explanation:
    """One way to label the frames.

    Args:
        cost: of everything so far.
        ranks: of the frames that are not decided yet.
        sequence: what came, and what is expected next.
        state: brightness, its speed, and the offsets of the ranks from 1 on.
        covariance: of the state.
        ended: the last frame did not alternate.
    """

    cost: float
    ranks: tuple[int, ...]
    sequence: Sequence
    state: Vector
    covariance: Vector
    ended: bool = False


class Tracker:
    """Labels frames by their level, a few frames late where they are ambiguous and at once where they are not.

    Args:
        offsets: level of each rank relative to the darkest, rising, the first 0.
        sequence: the order in which exposures follow each other; nothing may have come yet.
    """

    def __init__(self, offsets: Items[float], sequence: Sequence) -> None:
        self._count = len(offsets)
        state = np.array([0.0, 0.0, *offsets[1:]])
        spread = [(_OFFSET_KNOWN * offset) ** 2 for offset in offsets[1:]]
        covariance = np.diag([_UNKNOWN, _UNKNOWN_SPEED**2, *spread])
        self._explanations = [_Explanation(0.0, (), sequence, state, covariance)]
        self._decided_last: int | None = None
        self._past: tuple[float, ...] = ()  # levels of the last two frames of this shot
        self._stops = _STOPS_AT_CUT
        self._limits = tuple(share * state[2:] for share in _OFFSET_RANGE)
        self._fastest = _FASTEST * float(np.diff(offsets).min())
        self._broken = _BROKEN

    @property
    def waiting(self) -> int:
        """Frames that are not decided yet."""
        return len(self._explanations[0].ranks)

    def add(self, level: float) -> list[int]:
        """Take a frame; give the ranks (or `ALONE`) of those that are decided now, in order.

        Args:
            level: of the frame: the logit of its mean luma, which tells how far it can be trusted, too.
        """
        mean = 1.0 / (1.0 + float(np.exp(-level)))
        noise = _LEVEL_NOISE**2 + (_MEAN_NOISE / (mean * (1.0 - mean)) + _BLACK_NOISE / mean) ** 2
        grown = [
            self._explained(old, rank, level, noise)
            for old in self._explanations
            for rank in (*range(self._count), ALONE)
        ]
        self._broken, self._stops = _BROKEN, _STOPS
        self._past = (*self._past[-1:], level)
        self._keep(grown)
        return self._decided()

    def told(self, rank: int, level: float) -> None:
        """A frame whose exposure is known otherwise; nothing may be waiting."""
        old = self._explanations[0]
        self._explanations = [self._explained(old, rank, level, _LEVEL_NOISE**2, known=True)]
        self._past = (*self._past[-1:], level)
        self._decided()

    def cut(self) -> None:
        """The scene changes: nothing is known of its brightness."""
        self._explanations = [_at_cut(old) for old in self._explanations]
        self._broken, self._stops = _BROKEN_AT_CUT, _STOPS_AT_CUT
        self._past = ()

    def finish(self) -> list[int]:
        """Give the ranks of all frames that wait, by the best explanation."""
        best = self._explanations[0]
        self._explanations = [replace(best, ranks=())]
        self._decided_last = best.ranks[-1] if best.ranks else self._decided_last
        return list(best.ranks)

    def _may_be_doubled(self) -> bool:
        """The alternation seems to end, and what followed may yet be frames that were lost or doubled."""
        begins = self._explanations[0].ranks[:_MIN_STILL]
        return begins[0] == ALONE != self._decided_last and begins != (ALONE,) * _MIN_STILL

    def _in_its_place(self, rank: int) -> int:
        """Give the rank of the oldest frame: where one or two do not fit and the order goes on behind, that is theirs.

        A fade that ends, or a lamp that is switched, moves the levels of both exposures by different amounts.
        """
        ranks, last = self._explanations[0].ranks[: _MIN_STILL + 1], self._decided_last
        if rank != ALONE or self._count != 2 or last in (None, ALONE):
            return rank
        until = next((place for place, other in enumerate(ranks) if other != ALONE), _MIN_STILL)
        goes_on = until < _MIN_STILL and (ranks[until] - last) % 2 == (until + 1) % 2
        return 1 - last if goes_on else rank

    def _explained(
        self, old: _Explanation, rank: int, level: float, noise: float, known: bool = False
    ) -> _Explanation:
        if rank == ALONE:
            return self._unordered(old, level, noise)
        expected = old.sequence.expected()
        broken = old.ended or expected not in (None, rank)
        cost = old.cost + (self._broken if broken and not known else 0.0)
        state, covariance = _moved(old.state, old.covariance)
        row = np.zeros(len(state))
        row[0] = 1.0
        if rank:
            row[1 + rank] = 1.0
        error = level - float(row @ state)
        variance = float(row @ covariance @ row) + noise
        surprise = _surprise(error, variance)
        jump = _jump_cost(error, noise)
        if surprise < jump:
            gain = covariance @ row / variance
            state = state + gain * error
            covariance = covariance - np.outer(gain, row @ covariance)
            # Without limits a wrong explanation would in time make itself true.
            state[1] = np.clip(state[1], -self._fastest, self._fastest)
            state[2:] = np.clip(state[2:], *self._limits)
        else:
            state, covariance = _forgotten(state, covariance, new=False)
            state[0] = level - (state[1 + rank] if rank else 0.0)
            covariance[0, 0] = noise
        return _Explanation(
            cost + min(surprise, jump), (*old.ranks, rank), old.sequence.followed_by(rank), state, covariance
        )

    def _unordered(self, old: _Explanation, level: float, noise: float) -> _Explanation:
        """The frame is one of those that do not alternate: its level stays, or goes on as it went."""
        errors = [level - self._past[-1]] if self._past else []
        if len(self._past) == 2:
            errors.append(errors[0] - (self._past[1] - self._past[0]))
        error = min(errors, key=abs, default=0.0)
        mean = 1.0 / (1.0 + float(np.exp(-level)))
        # What is dark may be any level, but from one frame to the next it is the same.
        variance = 2 * (_STILL_NOISE**2 + (_STILL_MEAN_NOISE / (mean * (1.0 - mean))) ** 2)
        surprise = _surprise(error, variance) if self._past else np.inf
        # The first one may be of any level.
        otherwise = _jump_cost(error, noise) if old.ended else _surprise(0.0, _UNKNOWN + noise)
        cost = old.cost + min(surprise, otherwise) + _STOPPED
        if old.ended:
            return replace(old, cost=cost, ranks=(*old.ranks, ALONE))
        stopped = replace(_at_cut(old), cost=cost + self._stops, ranks=(*old.ranks, ALONE))
        return replace(stopped, sequence=old.sequence.interrupted(), ended=True)

    def _keep(self, grown: list[_Explanation]) -> None:
        """Keep the best ones, as far as they are not hopeless beside the very best."""
        grown.sort(key=lambda one: one.cost)
        best = grown[0].cost
        self._explanations = [
            replace(one, cost=one.cost - best) for one in grown[:_MAX_COUNT] if one.cost - best < _HOPELESS
        ]

    def _decided(self) -> list[int]:
        """Ranks on which all explanations that count agree; the oldest one anyway if it has waited long."""
        out: list[int] = []
        while self.waiting:
            rank = self._explanations[0].ranks[0]
            doubted = any(one.ranks[0] != rank and one.cost < _CLEAR for one in self._explanations)
            if (doubted or self._may_be_doubled()) and self.waiting < self._count + 4:
                break
            self._decided_last = self._in_its_place(rank)
            out.append(self._decided_last)
            agreeing = [one for one in self._explanations if one.ranks[0] == rank]
            self._explanations = [replace(one, ranks=one.ranks[1:]) for one in agreeing]
        return out


def offsets_of(levels: Items[float], ranks: Items[int], count: int) -> list[float] | None:
    """Level of each rank relative to the darkest, from the steps between frames; None where they do not tell.

    Args:
        levels, ranks: of consecutive frames.
        count: number of ranks.
    """
    steps = np.diff(np.asarray(levels, np.float64))
    design = np.zeros((len(steps), count))
    design[:, 0] = 1.0  # the scene grows brighter or darker
    for row, (before, after) in enumerate(pairwise(ranks)):
        for rank, sign in ((after, 1.0), (before, -1.0)):
            if rank:
                design[row, rank] += sign
    weights = np.ones(len(steps))
    for _ in range(
        8
    ):  # towards the least sum of absolute residuals: steps where the light changed do not count
        found, _, rank_found, _ = np.linalg.lstsq(design * weights[:, None], steps * weights, rcond=None)
        weights = 1.0 / np.sqrt(np.maximum(np.abs(design @ found - steps), 0.01))
    offsets = [0.0, *(float(value) for value in found[1:])]
    rising = all(low + _MIN_OFFSET <= high for low, high in pairwise(offsets))
    return offsets if rank_found == count and rising else None


def _surprise(error: float, variance: float) -> float:
    return 0.5 * error**2 / variance + 0.5 * float(np.log(variance / _LEVEL_NOISE**2))


def _jump_cost(error: float, noise: float) -> float:
    """Of a level that has nothing to do with what came before it."""
    return (
        _JUMP + _JUMP_SIZE * abs(error) + 0.5 * float(np.log(max(noise, _LEVEL_NOISE**2) / _LEVEL_NOISE**2))
    )


def _at_cut(old: _Explanation) -> _Explanation:
    """A new shot: it may be another scene, or fade in."""
    state, covariance = _forgotten(old.state, old.covariance, new=True)
    covariance[0, 0] = _UNKNOWN
    return replace(old, state=state, covariance=covariance)


def _moved(state: Vector, covariance: Vector) -> tuple[Vector, Vector]:
    """Go one frame on: brightness moves by its speed, everything else stays about the same."""
    step = np.eye(len(state))
    step[0, 1] = 1.0
    noise = np.full(len(state), _STEADY**2)
    noise[1] += (_UNSTEADY * state[1]) ** 2
    # A factor on all means moves the logit of a mean m by 1 / (1 - m) as much: where it is bright the offsets follow.
    odds = np.exp(np.minimum(state[0] + np.array([0.0, *state[2:]]), _BRIGHTEST))
    moves = np.minimum((odds[1:] - odds[0]) / (1.0 + odds[0]), _OFFSET_MOVES)
    noise[2:] = noise[2:] * 0.25 + (moves * state[1]) ** 2
    return step @ state, step @ covariance @ step.T + np.diag(noise)


def _forgotten(state: Vector, covariance: Vector, new: bool) -> tuple[Vector, Vector]:
    """Without brightness and speed; the offsets stay, less certain. A `new` shot may begin with a fade."""
    state, kept = state.copy(), np.zeros_like(covariance)
    kept[2:, 2:] = covariance[2:, 2:] + np.diag((_OFFSET_UNSURE * state[2:]) ** 2)
    state[1] = 0.0
    kept[1, 1] = (_UNKNOWN_SPEED if new else _LIGHT_SPEED) ** 2
    return state, kept
