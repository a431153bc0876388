"""The built-in sample: its exposures, losses, motion and options are what it says."""

from __future__ import annotations

import itertools
import threading
import time
from fractions import Fraction

import cv2
import numpy as np
import pytest

from streamfuse.core.protocols import Source
from streamfuse.errors import UsageError
from streamfuse.synthetic.sample_source import SampleSource, open_sample

SMALL = "size=96x54"


def luma_means(source: SampleSource) -> list[float]:
    return [float(frame.luma.mean()) for frame in source]


def same(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_default_is_sixty_alternating_frames_under_first():
    source = SampleSource(96, 54)
    assert isinstance(source, Source)
    frames = list(source)
    assert len(frames) == 60 == source.info.frame_count
    means = [frame.luma.mean() for frame in frames]
    assert max(means[0::2]) < min(means[1::2]) - 30
    assert [frame.pts for frame in frames] == list(range(60))
    assert frames[0].time_base == Fraction(1, 30)
    assert [plane.shape for plane in frames[0].planes] == [(54, 96), (27, 48), (27, 48)]


@pytest.mark.parametrize(
    ("options", "ranks"),
    [
        ("cycle=2&first=under", [0, 1, 0, 1, 0, 1]),
        ("cycle=2&first=over", [1, 0, 1, 0, 1, 0]),
        ("cycle=3&gap=2", [0, 1, 2, 0, 1, 2]),
        ("cycle=3&gap=2&first=over", [2, 1, 0, 2, 1, 0]),
    ],
)
def test_ranks_follow_the_cycle(options, ranks):
    source = open_sample(f"sample:?{SMALL}&frames=6&{options}")
    assert [source.rank(i) for i in range(6)] == ranks
    means = luma_means(source)
    by_rank = [
        np.mean([m for m, r in zip(means, ranks, strict=True) if r == rank]) for rank in sorted(set(ranks))
    ]
    assert all(low + 10 < high for low, high in itertools.pairwise(by_rank))


@pytest.mark.parametrize(("bits", "dtype", "white"), [(8, np.uint8, 235), (10, np.uint16, 940)])
def test_depth_and_limited_range(bits, dtype, white):
    frames = list(open_sample(f"sample:?{SMALL}&frames=2&bits={bits}"))
    assert frames[1].luma.dtype == dtype
    assert frames[1].luma.max() == white
    assert frames[0].luma.min() >= 16 << (bits - 8)


def test_an_odd_size_is_kept():
    frame = next(iter(open_sample("sample:?size=97x55")))
    assert [plane.shape for plane in frame.planes] == [(55, 97), (28, 49), (28, 49)]


def test_the_gap_is_the_one_asked_for():
    under, over = (e[0].astype(float) for e in SampleSource(160, 90, gap_ev=3.0).exposures_at(0))
    usable = (over < 200) & (under > 40)
    ratio = ((over[usable] - 16) / (under[usable] - 16)) ** 2.2
    assert np.log2(np.median(ratio)) == pytest.approx(3.0, abs=0.15)


def test_the_scene_needs_fusion():
    under, over = (e[0] for e in SampleSource(320, 180).exposures_at(0))
    assert (over >= 234).mean() > 0.15, "the long exposure keeps the sky"
    assert (under >= 234).mean() < 0.02, "the short exposure does not hold the highlights"
    assert (under < 50).mean() > 0.2, "the short exposure has no shadows"


def test_the_same_options_give_the_same_pixels_and_another_seed_others():
    spec = f"sample:?{SMALL}&frames=3&seed=5"
    first, again, other = (list(open_sample(s)) for s in (spec, spec, spec.replace("5", "6")))
    assert all(same(a.planes, b.planes) for a, b in zip(first, again, strict=True))
    assert not same(first[0].planes, other[0].planes)


def test_the_truth_is_the_frame():
    noisy, clean = (open_sample(f"sample:?{SMALL}&frames=4&noise={switch}") for switch in ("on", "off"))
    for i, (with_noise, without) in enumerate(zip(noisy, clean, strict=True)):
        rank = noisy.rank(i)
        assert same(with_noise.planes, noisy.exposures_at(i, noisy=True)[rank])
        assert same(without.planes, noisy.exposures_at(i)[rank])
        assert not same(with_noise.planes, without.planes)


def test_noise_is_new_in_each_frame():
    source = open_sample(f"sample:?{SMALL}")

    def noise(instant):
        noisy, clean = (source.exposures_at(instant, noisy=switch)[0][0] for switch in (True, False))
        return noisy.astype(float) - clean

    first, second = noise(0), noise(2)
    assert 0.3 < first.std() < 5
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_lost_frames_leave_a_gap_in_time_and_doubled_ones_come_twice():
    source = open_sample(f"sample:?{SMALL}&frames=200&drop=0.1&double=0.1&seed=3")
    instants = source.instants()
    assert source.info.frame_count == len(instants)
    lost, twice = 200 - len(set(instants)), len(instants) - len(set(instants))
    assert 8 < lost < 35
    assert 8 < twice < 35
    frames = list(open_sample(f"sample:?{SMALL}&frames=40&drop=0.1&double=0.1&seed=3"))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    steps = np.diff([frame.pts for frame in frames])
    assert steps.min() == 1
    assert steps.max() >= 2
    doubled = [same(a.planes, b.planes) for a, b in itertools.pairwise(frames)]
    assert doubled == [a == b for a, b in itertools.pairwise(instants[: len(frames)])]
    assert any(doubled)


def test_the_camera_motion_is_exact():
    source = SampleSource(320, 180, noise=False)
    a, b = (source.exposures_at(i)[1][0] for i in (3, 6))
    to_b = np.linalg.inv(np.vstack([source.camera(6), [0, 0, 1]])) @ np.vstack([source.camera(3), [0, 0, 1]])
    assert np.abs(to_b[:2, 2]).max() > 0.5, "the camera does not move"
    predicted = cv2.warpAffine(b, to_b[:2], (320, 180), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    shelf = np.s_[10:110, 10:60]  # books: fine texture, no moving object before it at these instants

    def error(picture):
        return float(np.abs(picture[shelf].astype(float) - a[shelf]).mean())

    assert error(predicted) < 0.4 * error(b)


def test_metadata_on_request():
    plain, told = (next(iter(open_sample(f"sample:?{SMALL}&metadata={switch}"))) for switch in ("off", "on"))
    assert plain.exposure is None
    frames = list(open_sample(f"sample:?{SMALL}&metadata=on&gap=4&frames=2"))
    assert told.exposure is not None
    assert frames[1].exposure.ev - frames[0].exposure.ev == pytest.approx(4)


def test_sim_is_a_camera_in_real_time_until_it_is_closed():
    source = open_sample(f"sim:?{SMALL}&rate=100")
    assert source.info.frame_count is None
    begin = time.monotonic()
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 30:
            threading.Thread(target=source.close).start()
        assert time.monotonic() - begin < 30, "it was closed"
    assert len(frames) / (time.monotonic() - begin) < 115, "no faster than real time"
    assert frames[2].captured_at - frames[1].captured_at > 0
    with pytest.raises(UsageError, match="endless"):
        source.instants()


def test_an_endless_scene_goes_there_and_back_with_the_same_frames():
    source = open_sample(f"sample:?{SMALL}&rate=5&frames=endless&cycle=3")
    frames = list(itertools.islice(source, 81))  # 4 s there and 4 s back, until the exposures fit again
    assert [source.moment(instant) for instant in (0, 19, 20, 21, 40, 41)] == [0, 19, 20, 19, 0, 1]
    for frame, instant in zip(frames, range(81), strict=True):
        exposures = source.exposures_at(instant, noisy=True)
        assert np.array_equal(frame.planes[0], exposures[source.rank(instant)][0])
    assert not np.array_equal(frames[1].planes[0], frames[19].planes[0])


@pytest.mark.parametrize("spec", ["sim:?size=96x54&rate=50", "sim:?size=128x72&rate=50&stamp=on&cycle=3"])
def test_in_real_time_nothing_is_rendered_once_it_runs(spec, monkeypatch):
    source = open_sample(spec)
    frames = iter(source)
    first = next(frames)
    monkeypatch.setattr(SampleSource, "_scene", None)
    later = list(itertools.islice(frames, 20))
    assert not np.array_equal(first.planes[0], later[10].planes[0])
    source.close()


def test_a_closed_source_gives_nothing():
    with SampleSource(96, 54) as source:
        pass
    source.close()
    assert list(source) == []


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("sample:?gapp=3", "did you mean 'gap'"),
        ("sample:?colour=blue", "there are size, frames"),
        ("sample:?size=big", "'big' does not fit the option 'size'"),
        ("sample:?size=4x4", "16..8192"),
        ("sample:?size=64x9000", "16..8192"),
        ("sample:?frames=0", "1 or more"),
        ("sample:?frames=", "'frames'"),
        ("sample:?rate=1/0", "'rate'"),
        ("sample:?rate=-5", "does not fit the option"),
        ("sample:?drop=1", "below 1"),
        ("sample:?gap=nan", "0..12 EV"),
        ("sample:?bits=7", "8..16"),
        ("sample:?cycle=0", "1..9"),
        ("sample:?first=left", "under or over"),
        ("sample:?noise=maybe", "'noise'"),
        ("smaple:", "begins with 'sample:'"),
    ],
)
def test_wrong_options_are_explained(spec, text):
    with pytest.raises(UsageError, match=text.replace(".", r"\.")):
        open_sample(spec)
