"""Takes out of the fused picture's level what alternates with the exposures.

Frames that were taken dark can come out a little brighter or darker as a whole than those that were taken bright: what
nobody saw is guessed differently. The whole picture then flickers at half the frame rate, by a fraction of a code
value. All of that is taken from the bright frames: what is clipped in them is guessed from other instants, while a dark
frame has seen the light of its own.

How much brighter a fused picture is than the one before is measured twice: along the motion, where the motion is known
from both sides as the mean of both, and in the mean of the whole picture. The first errs with the motion, the second
with what comes into the picture and leaves it, above all where the camera shakes. Half of it, with the sign of the
exposure, is what alternates in that step; the mean of two steps that follow each other has none of a steady change of
the light. Where both measures have one sign the smaller one counts, else nothing does. Of the last `WINDOW` steps the
mean is taken back as far as it stands out from its own standard error, which what moves and what changes once make
larger. Where nothing stands out the picture stays as it is, bit for bit.

What is guessed differently from instant to instant leaves no such mean: an arm that nobody saw takes light along. The
mean luma then goes up and down by parts of a code value. Where it has turned round twice in a row, and along the motion
at the last picture, too, the last bend, over the sum of its weights (1, 2, 1), is how far the last frame is off the
middle. A bright frame is moved by more than that, a dark one by less. Of light that rises, falls or turns round once it
is nothing.

Only earlier pictures count, so nothing has to wait, and only so many of them, so that any segment of a film can be
fused on its own.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import AlignedBracket, Bracket, Map
from streamfuse.imaging.grid import resample_flow, sampling_positions

WINDOW, MIN_COUNT = 16, 4  # steps from picture to picture that count at most, and that there have to be
LONG_SIDE = 96  # of the pictures that are compared
SIGNIFICANT = 1.4  # standard errors at which an alternation of which both measures tell begins to count
MIN_CHANGE, MAX_CHANGE = 0.02 / 255, 3 / 255  # luma: less is left as it is, more is no flicker of ours
TURNS = 3  # steps in which the mean luma turns round twice
TURN_SHARES = (0.15, 1.2)  # of that, by which dark and bright frames are moved: bright ones guess more
MAX_TURN = 1 / 255  # luma: what goes to and fro by more can be seen in the scene, and stays
# Steps share pictures, and means of two steps share steps: variance of the mean of n of these, in theirs / n.
SHARED = 8 / 3

Steps = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Last:
    """The fused picture of the instant before, reduced, and the motion from there to this instant, if it is known."""

    bracket: Bracket
    picture: Map
    flow: Map | None


class Leveller:
    """Tells what to add to each fused picture: 0 of the darker exposure; called once for each instant, in order."""

    def __init__(self) -> None:
        self._last: _Last | None = None
        self._steps: deque[tuple[float, float]] = deque(maxlen=WINDOW)  # along the motion, and as a whole

    def __call__(self, aligned: AlignedBracket, picture: Map) -> float:
        """Luma to add to the fused picture of this instant.

        Args:
            aligned: the exposures that it is made of, with the motion towards the instant before.
            picture: its luma in [0, 1] before anything was added, of any size.
        """
        bracket, last, flow = aligned.bracket, self._last, aligned.flow_before
        small = reduced(picture)
        self._last = _Last(bracket, small, aligned.flow_after)
        if (
            last is None
            or flow is None
            or not follows(last.bracket, bracket)
            or last.picture.shape != small.shape
        ):
            self._steps.clear()
            return 0.0
        step = _step(last.picture, small, flow)
        if last.flow is not None:
            step = (step - _step(small, last.picture, last.flow)) / 2
        whole = float(small.mean(dtype=np.float64) - last.picture.mean(dtype=np.float64))
        half = sign(bracket) / 2
        self._steps.append((half * step, half * whole))
        steps = np.array(self._steps)
        steady = alternation(steps)
        turn = sign(bracket) * turned(steps - steady)
        return -2 * steady * bracket.rank - TURN_SHARES[bracket.rank > 0] * turn


def _step(before: Map, now: Map, flow: Map) -> float:
    """Tell how much brighter a picture is than another, in the mean of what shows in both, along the motion."""
    x, y = sampling_positions(resample_flow(flow, (now.shape[0], now.shape[1])))
    seen = cv2.remap(before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (x >= 0) & (x <= now.shape[1] - 1) & (y >= 0) & (y <= now.shape[0] - 1)
    return float((now - seen).mean(where=inside, dtype=np.float64)) if inside.any() else 0.0


def follows(before: Bracket, now: Bracket) -> bool:
    """Tell whether two brackets are of instants that follow each other, taken with one of two exposures each."""
    return (
        now.cycle == 2
        and before.cycle == 2
        and now.rank != before.rank
        and now.reference.index == before.reference.index + 1
    )


def sign(bracket: Bracket) -> int:
    """1 of the brighter exposure, -1 of the darker one."""
    return 1 if bracket.rank else -1


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """(rows, columns) at which pictures of some size are compared."""
    scale = min(1.0, LONG_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def reduced(picture: Map) -> Map:
    """Give a picture at that size, clipped to [0, 1]."""
    rows, columns = reduced_size(*picture.shape)
    small = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small, 0.0, 1.0), np.float32)


def threshold(count: int) -> float:
    """Tell how many times the standard deviation of `count` means of two steps their mean has to be to count.

    Few of them tell their own deviation poorly, and so more is asked for.
    """
    return SIGNIFICANT * math.sqrt(SHARED / count * (count + 2) / (count - 2))


def alternation(steps: Steps) -> float:
    """Luma by which pictures of the brighter exposure lie above the mean of both, as far as that is sure.

    Args:
        steps: half of how much brighter pictures are than those before, (n, 2): along the motion and as a whole, with
            the sign of their exposure, in order.
    """
    if len(steps) < MIN_COUNT:
        return 0.0
    pairs = (steps[1:] + steps[:-1]) / 2
    smaller = np.where(pairs.prod(1) > 0, np.sign(pairs[:, 0]) * np.abs(pairs).min(1), 0.0)
    mean, doubt = float(smaller.mean()), threshold(len(smaller)) * float(smaller.std(ddof=1))
    if abs(mean) <= max(doubt, MIN_CHANGE):
        return 0.0
    found = mean * (1 - (doubt / mean) ** 2)
    return min(max(found, -MAX_CHANGE), MAX_CHANGE)


def turned(steps: Steps) -> float:
    """Luma by which pictures of the brighter exposure lie off the middle, where the level turned round twice; else 0.

    Args:
        steps: as in `alternation`, less what alternates; with fewer than `TURNS` there is nothing to tell.
    """
    if len(steps) < TURNS:
        return 0.0
    along, bend = (steps[-1] + steps[-2]) / 2
    # With the sign of the exposure, steps up and down in turns are steps of one sign.
    if abs(np.sign(steps[-TURNS:, 1]).sum()) < TURNS or along * bend <= 0:
        return 0.0
    return float(bend) if MIN_CHANGE < abs(bend) <= MAX_TURN else 0.0
