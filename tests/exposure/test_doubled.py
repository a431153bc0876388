"""Frames that a container holds more than once are fused once and keep their place in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from align_clips import alternating, grey_frame

from streamfuse.core.frame import Frame, FusedFrame
from streamfuse.exposure.doubled import AgainStage, Doubles, OnceStage


def repeated(frames: list[Frame], times: list[int], noise: float = 0.4) -> list[Frame]:
    """Each frame so many times, coded a little differently each time."""
    rng, out = np.random.default_rng(0), []
    for frame, count in zip(frames, times, strict=True):
        for _ in range(count):
            luma = np.clip(np.rint(frame.luma + rng.normal(0, noise, frame.luma.shape)), 0, 255).astype(
                np.uint8
            )
            out.append(replace(frame, planes=(luma,), index=len(out), pts=len(out)))
    return out


def once(frames: list[Frame]) -> tuple[list[Frame], Doubles]:
    doubles = Doubles()
    stage = OnceStage(doubles)
    out = [given for frame in frames for given in stage.push(frame)]
    return [*out, *stage.flush()], doubles


def through(frames: list[Frame]) -> list[FusedFrame]:
    """Leave copies out, and put the same frames back."""
    kept, doubles = once(frames)
    stage = AgainStage(doubles)
    fused = [FusedFrame(f.planes, 8, (0, 0), f.color, f.pts, f.time_base, f.index, (f.index,)) for f in kept]
    return [frame for one in fused for frame in stage.push(one)]


@pytest.mark.parametrize("pattern", [(2,), (3,), (2, 3), (3, 2, 2)])
@pytest.mark.parametrize("count", [5, 20, 40])
def test_pictures_that_all_come_more_than_once(pattern: tuple[int, ...], count: int) -> None:
    film = alternating([i % 2 for i in range(count)], (0, 3))
    frames = repeated(film, [pattern[i % len(pattern)] for i in range(count)])
    kept, doubles = once(frames)
    assert len(kept) == count
    assert [frame.index for frame in kept] == list(range(count))
    assert doubles.copies == len(frames) - count
    out = through(frames)
    assert [(frame.index, frame.pts) for frame in out] == [(f.index, f.pts) for f in frames]
    starts = np.cumsum([0, *(pattern[i % len(pattern)] for i in range(count))])[:-1]
    assert sorted({frame.exposures[0] for frame in out}) == list(starts)


@pytest.mark.parametrize("losses", [{}, {9: 2, 15: 2, 20: 3}])
def test_single_frames_and_single_copies_pass_as_they_are(losses: dict[int, int]) -> None:
    frames = repeated(alternating([i % 2 for i in range(40)], (0, 3)), [losses.get(i, 1) for i in range(40)])
    kept, doubles = once(frames)
    assert kept == frames
    assert doubles.copies == 0
    assert through(frames)[7].index == 7


def test_a_title_before_it_does_not_hide_it() -> None:
    title = [grey_frame(np.full((96, 160), 60, np.uint8), 0)]
    film = alternating([i % 2 for i in range(20)], (0, 3))
    frames = repeated(title + film, [50, *[2] * 20])
    kept, doubles = once(frames)
    assert [frame.index for frame in through(frames)] == list(range(90))
    assert doubles.copies >= 20
    assert len({frame.index for frame in kept}) == len(kept)


def test_a_film_of_one_exposure_is_not_doubled() -> None:
    frames = repeated(alternating([0] * 30, (0, 3), speed=4.0), [2] * 30)
    assert once(frames)[0] == frames
