from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamfuse.capture.per_exposure import PerExposureSource
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame
from streamfuse.core.protocols import Source, SourceInfo
from streamfuse.errors import InputError


class Made(Source):
    """A source of flat grey frames."""

    def __init__(self, level, count=4, *, width=8, start=0, rate=25, known=True, lost=()):
        self.closed = False
        self._lost = lost
        self._level, self._count, self._start = level, count, start
        rate = Fraction(rate)
        self.info = SourceInfo(
            f"level {level}", width, 6, 8, (1, 1), ColorInfo(), 1 / rate, rate, count if known else None
        )

    def __iter__(self):
        for i in range(self._count):
            if i in self._lost:
                continue
            luma = np.full((6, self.info.width), self._level, np.uint8)
            yield Frame((luma,), 8, (1, 1), ColorInfo(), self._start + i, self.info.time_base, i)

    def close(self):
        self.closed = True


def test_darkest_first_with_the_first_sources_time_stamps():
    with PerExposureSource([Made(200, start=100), Made(20), Made(90)]) as source:
        frames = list(source)
    assert source.info.simultaneous == 3
    assert source.info.rate == 75
    assert source.info.frame_count == 12
    assert [int(frame.luma[0, 0]) for frame in frames] == [20, 90, 200] * 4
    assert [frame.exposure.rank for frame in frames] == [0, 1, 2] * 4
    assert [frame.pts for frame in frames] == [100] * 3 + [101] * 3 + [102] * 3 + [103] * 3
    assert [frame.index for frame in frames] == list(range(12))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("known", [True, False])
def test_ends_with_the_shortest_and_tells_what_is_left(order, known):
    sources = [Made(200, 7, known=known), Made(20, 4, known=known)]
    with PerExposureSource([sources[i] for i in order]) as source:
        assert len(list(source)) == 8
    assert source.left_over == (3 if known else 1)
    assert all(made.closed for made in sources)


def test_nothing_is_left_of_equal_sources():
    source = PerExposureSource([Made(1), Made(2)])
    assert len(list(source)) == 8
    assert source.left_over == 0


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Made(9, width=10), "different sizes .8x6 and 10x6"),
        (Made(9, rate=30), "different frame rates"),
        (Made(9, count=0), "level 9 has no frames"),
    ],
)
def test_sources_must_be_alike(other, words):
    with pytest.raises(InputError, match=words):
        PerExposureSource([Made(1), other])


def test_depth_and_number():
    deep = Made(9)
    deep.info = replace(deep.info, bits=10)
    with pytest.raises(InputError, match="store pixels differently"):
        PerExposureSource([Made(1), deep])
    with pytest.raises(InputError, match="two videos"):
        PerExposureSource([Made(1)])


class Numbered(Made):
    """A source whose frames show their own number, above its level."""

    def __iter__(self):
        for frame in super().__iter__():
            yield replace(frame, planes=(np.full_like(frame.luma, self._level + frame.pts - self._start),))


def shown(frames):
    """What each exposure of each instant shows, as the number of its frame in its source."""
    return [
        (int(a.luma[0, 0]), int(b.luma[0, 0]) - 100) for a, b in zip(frames[::2], frames[1::2], strict=True)
    ]


@pytest.mark.parametrize(("dark", "bright"), [((3,), ()), ((), (0,)), ((2, 3), (5,)), ((0, 1), ())])
def test_frames_of_one_instant_meet_though_others_are_lost(dark, bright):
    source = PerExposureSource([Numbered(0, 9, lost=dark), Numbered(100, 9, lost=bright)])
    both = [number for number in range(9) if number not in (*dark, *bright)]
    assert shown(list(source)) == [(number, number) for number in both]
    assert source.left_over == len(dark) + len(bright)


@pytest.mark.parametrize("start", [0, 1000])
def test_clocks_that_are_not_one_begin_together(start):
    source = PerExposureSource([Numbered(0, 6), Numbered(100, 6, start=start)])
    assert shown(list(source)) == [(number, number) for number in range(6)]
    assert source.left_over == 0


@pytest.mark.parametrize(("offset", "pairs"), [(0.08, 2), (-0.08, -2), (0.0, 0), (0.07, 2)])
def test_an_offset_says_which_instants_are_the_same(offset, pairs):
    source = PerExposureSource([Numbered(0, 8), Numbered(100, 8)], offset)
    first = range(max(pairs, 0), min(8, 8 + pairs))
    assert shown(list(source)) == [(number, number - pairs) for number in first]


def test_without_time_stamps_frames_are_counted_off():
    class Timeless(Numbered):
        def __iter__(self):
            for frame in super().__iter__():
                yield replace(frame, pts=None)

    source = PerExposureSource([Timeless(0, 5, lost=(1,)), Timeless(100, 5)])
    assert shown(list(source)) == [(0, 0), (2, 1), (3, 2), (4, 3)]
