"""By how much two cameras that saw one scene began apart: from what moves before both of them.

Of each picture a few hundred means of blocks are taken, as logarithms, so that their changes from one picture to the
next do not depend on the exposure. Where in time the changes of one film fit those of the other best is the offset. It
is believed only where it fits well, nothing else fits nearly as well, and each part of the films says the same. Cameras
may also be framed differently, and where a camera pans evenly a shift in space looks as one in time: so no other offset
may fit as well with one film shifted by a block either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, product

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Frame

LOOKED_AT = 300  # frames of each film
_BLOCKS = (20, 12)  # across and down
_FLOOR = 0.01  # of luma
_USABLE = (0.03, 0.92)  # means of blocks that are neither in the noise nor clipped
_SEEN = 0.6  # share of the frames of both films in which a block has to be usable
_MIN_BLOCKS = 16
_MIN_COUNT = 16  # frames that have to overlap
_OVERLAP = 0.3  # share of the shorter film that has to
_LIKE = 0.3  # correlation from which on two films are of one scene
_NEXT = 0.85  # times the best: what any other offset has to stay below
_PEAK = 1  # frames around the best that belong to it
_PARTS = 3
_QUIET = 0.1  # share of the mean energy below which a part has nothing to say

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CameraOffset:
    """An offset that was found.

    Args:
        seconds: by which the second film began later, on the clocks of their time stamps.
        likeness: correlation of the two films there, 0..1.
    """

    seconds: Fraction
    likeness: float


@dataclass(frozen=True, slots=True, eq=False)
class _Film:
    """Logarithms of block means, (T, blocks), nan where unusable or where there is no frame; time of the first."""

    levels: Values
    begin: Fraction


def find_offset(one: Iterable[Frame], other: Iterable[Frame], period: Fraction) -> CameraOffset | None:
    """Give the offset between two films of one scene; None where it is not proven.

    Args:
        one, other: their frames from the beginning; `LOOKED_AT` of each are taken.
        period: seconds from one frame to the next, of both.
    """
    first, second = _film(one, period), _film(other, period)
    if first is None or second is None:
        return None
    usable = [np.mean(~np.isnan(film.levels), axis=0) >= _SEEN for film in (first, second)]
    blocks = usable[0] & usable[1]
    if blocks.sum() < _MIN_BLOCKS:
        return None
    a, b = (np.nan_to_num(np.diff(film.levels[:, blocks], axis=0)) for film in (first, second))
    shortest = min(len(a), len(b))
    overlap = max(_MIN_COUNT, round(_OVERLAP * shortest))
    if shortest < overlap:
        return None
    lags = range(overlap - len(a), len(b) - overlap + 1)
    fits = _fits(a, b, lags)
    best = int(np.argmax(fits))
    apart = np.abs(np.arange(len(fits)) - best) > _PEAK
    others = [fits, *_shifted_fits(first.levels, second.levels, blocks, lags)]
    if fits[best] < _LIKE or max(_highest(fit[apart]) for fit in others) > _NEXT * fits[best]:
        return None
    if not _agreed(a, b, lags, lags[best]):
        return None
    return CameraOffset(first.begin - second.begin - lags[best] * period, float(fits[best]))


def _film(frames: Iterable[Frame], period: Fraction) -> _Film | None:
    """Give what is compared of a film; None where it has no time stamps or too few frames."""
    levels: dict[int, Values] = {}
    begin: Fraction | None = None
    for frame in islice(frames, LOOKED_AT):
        if frame.pts is None:
            return None
        time = frame.pts * frame.time_base
        begin = time if begin is None else begin
        levels.setdefault(round((time - begin) / period), _block_levels(frame))
    places = [place for place in levels if 0 <= place < 2 * LOOKED_AT]
    if begin is None or len(places) <= _MIN_COUNT:
        return None
    table = np.full((max(places) + 1, _BLOCKS[0] * _BLOCKS[1]), np.nan)
    for place in places:
        table[place] = levels[place]
    return _Film(table, begin)


def _block_levels(frame: Frame) -> Values:
    full = frame.color.full_range
    low, high = (0, (1 << frame.bits) - 1) if full else (16 << (frame.bits - 8), 235 << (frame.bits - 8))
    means = cv2.resize(frame.luma, _BLOCKS, interpolation=cv2.INTER_AREA).ravel().astype(np.float64)
    luma = (means - low) / (high - low)
    usable = (luma > _USABLE[0]) & (luma < _USABLE[1])
    return np.where(usable, np.log2(np.maximum(luma, 0) + _FLOOR), np.nan)


def _highest(fits: Values) -> float:
    return float(fits.max()) if fits.size else 0.0


def _shifted_fits(one: Values, other: Values, blocks: npt.NDArray[np.bool_], lags: range) -> Iterator[Values]:
    """Give what `_fits` says where blocks of one film are compared with those beside them of the other."""
    a, b = (
        np.nan_to_num(np.diff(np.where(blocks, film, np.nan), axis=0)).reshape(-1, _BLOCKS[1], _BLOCKS[0])
        for film in (one, other)
    )
    for down, across in product((-1, 0, 1), repeat=2):
        if down or across:
            here = a[
                :, max(0, down) : _BLOCKS[1] + min(0, down), max(0, across) : _BLOCKS[0] + min(0, across)
            ]
            there = b[
                :, max(0, -down) : _BLOCKS[1] + min(0, -down), max(0, -across) : _BLOCKS[0] + min(0, -across)
            ]
            yield _fits(here.reshape(len(a), -1), there.reshape(len(b), -1), lags)


def _fits(a: Values, b: Values, lags: Iterable[int]) -> Values:
    """Correlation of a[t] with b[t + lag], over all t that both have, for each lag."""
    products = a @ b.T
    energies = (a**2).sum(axis=1), (b**2).sum(axis=1)
    fits = []
    for lag in lags:
        here = slice(max(0, -lag), min(len(a), len(b) - lag))
        there = slice(here.start + lag, here.stop + lag)
        scale = energies[0][here].sum() * energies[1][there].sum()
        fits.append(float(np.trace(products, offset=lag)) / np.sqrt(scale) if scale > 0 else 0.0)
    return np.array(fits)


def _agreed(a: Values, b: Values, lags: range, lag: int) -> bool:
    """Tell whether each part of the first film that moves fits best at this lag too."""
    here = np.arange(max(0, -lag), min(len(a), len(b) - lag))
    mean = float((a[here] ** 2).sum()) / len(here)
    for part in np.array_split(here, _PARTS):
        window = a[part]
        if float((window**2).sum()) / len(part) < _QUIET * mean:
            continue
        near = [other for other in lags if part[0] + other >= 0 and part[-1] + other < len(b)]
        there = [b[part + other] for other in near]
        scores = [float((window * w).sum()) / np.sqrt(float((w**2).sum()) + 1e-12) for w in there]
        if near[int(np.argmax(scores))] != lag:
            return False
    return True
