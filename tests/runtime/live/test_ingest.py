"""Labelling and pairing of every frame in the camera's thread: right labels, and nothing across a break."""

from dataclasses import replace

import numpy as np

from streamfuse.config import InputConfig
from streamfuse.runtime.live.ingest import Ingest
from streamfuse.synthetic.sample_source import open_sample


def camera(frames=60, **options):
    more = "".join(f"&{key}={value}" for key, value in options.items())
    source = open_sample(f"sample:?size=96x64&frames={frames}&rate=20{more}")
    return source, [replace(frame, captured_at=frame.pts / 20) for frame in source]


def fed(front, frames):
    return [bracket for frame in frames for bracket in front.push(frame)]


def test_every_frame_is_labelled_and_accounted_for():
    source, frames = camera()
    front = Ingest(source.info, InputConfig())
    brackets = fed(front, frames)
    brackets += front.flush()
    assert all(bracket.rank == source.rank(bracket.reference.index) for bracket in brackets)
    assert front.discarded + len(brackets) == front.frames_in.count == 60
    assert front.report.order == ("under", "over")
    assert front.error is None


def test_the_first_frames_are_not_shown_when_they_are_old_already():
    source, frames = camera(30)
    front = Ingest(source.info, InputConfig())
    sizes = [len(front.push(frame)) for frame in frames]
    assert max(sizes) <= 2 * 2  # the classifier held 24; most of them are stale
    assert front.discarded == 20


def test_nothing_is_paired_across_a_silence():
    source, frames = camera()
    frames = frames[:40] + [replace(frame, captured_at=frame.captured_at + 9) for frame in frames[40:]]
    front = Ingest(source.info, InputConfig())
    brackets = fed(front, frames)
    sides = [
        b for b in brackets for pair in b.missing.values() for b in ((pair.before, pair.after, b.reference),)
    ]
    for before, after, reference in sides:
        for other in (before, after):
            assert other is None or abs(other.captured_at - reference.captured_at) < 1
    assert all(bracket.rank == source.rank(bracket.reference.index) for bracket in brackets)
    assert front.discarded + len(brackets) + len(front.flush()) == 60


def test_a_reset_forgets_the_order():
    source, frames = camera(100)
    front = Ingest(source.info, InputConfig())
    brackets = fed(front, frames[:41])  # the next one would be over ...
    front.reset()
    late = fed(front, frames[42:])  # ... and under comes: another connection begins anywhere
    assert late
    assert all(bracket.rank == source.rank(bracket.reference.index) for bracket in brackets + late)
    assert all(bracket.reference.index >= 42 for bracket in late)
    assert front.discarded + len(brackets) + len(late) + len(front.flush()) == 99


def test_another_size_is_another_beginning():
    source, frames = camera(40)
    _, others = camera(40, size="64x48")
    front = Ingest(source.info, InputConfig())
    brackets = fed(front, frames + [replace(frame, index=frame.index + 40) for frame in others])
    for bracket in brackets:
        used = [side for pair in bracket.missing.values() for side in (pair.before, pair.after) if side]
        assert {frame.width for frame in used} <= {bracket.reference.width}
    assert {bracket.reference.width for bracket in brackets} == {96, 64}


def test_a_dark_lens_is_an_error_that_passes():
    source, frames = camera(60)
    black = [
        replace(
            frame, planes=tuple(np.full_like(p, 16 if n == 0 else 128) for n, p in enumerate(frame.planes))
        )
        for frame in frames[:48]
    ]
    front = Ingest(source.info, InputConfig())
    assert fed(front, black) == []
    assert "do not alternate in exposure" in front.error
    brackets = fed(front, [replace(frame, index=frame.index + 48, captured_at=9.0) for frame in frames])
    assert brackets
    assert front.error is None


def test_brackets_are_counted_by_whole_cycles():
    source, frames = camera(49)
    front = Ingest(source.info, InputConfig())
    fed(front, frames)
    assert front.brackets.count == (49 - 20) // 2
