from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from align_clips import alternating, exposed, grey_frame, scene, shifted

from streamfuse.core.frame import ClassifiedFrame, Exposure, Frame
from streamfuse.errors import ExposureError, UsageError
from streamfuse.exposure import ExposureClassifier

DATA = Path(os.environ.get("STREAMFUSE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def label(frames: list[Frame], classifier: ExposureClassifier | None = None) -> list[ClassifiedFrame]:
    classifier = classifier or ExposureClassifier()
    out = [item for frame in frames for item in classifier.push(frame)]
    return [*out, *classifier.flush()]


@pytest.mark.parametrize("gap", [1.5, 3.0, 6.0])
@pytest.mark.parametrize("first", [0, 1])
def test_two_exposures_are_labelled_from_the_first_frame_on(gap: float, first: int) -> None:
    ranks = [(i + first) % 2 for i in range(30)]
    classifier = ExposureClassifier()
    out = label(alternating(ranks, (0, gap)), classifier)
    assert [item.rank for item in out] == ranks
    assert not any(item.repaired or item.cut for item in out)
    report = classifier.report
    assert report is not None
    assert (report.cycle, report.order) == (2, (("under", "over"), ("over", "under"))[first])
    assert report.gap_ev == pytest.approx(gap, abs=0.4)
    assert report.confidence > 0.8


@pytest.mark.parametrize("pattern", [(0, 1, 2), (2, 0, 1), (0, 1, 2, 1), (0, 1, 2, 3)])
def test_longer_cycles(pattern: tuple[int, ...]) -> None:
    ranks = list(pattern * 9)
    classifier = ExposureClassifier()
    out = label(alternating(ranks, (0, 2, 4, 6), speed=0.3), classifier)
    assert [item.rank for item in out] == ranks
    assert classifier.report is not None
    assert classifier.report.cycle == max(pattern) + 1
    assert classifier.report.drops_detected == 0


@pytest.mark.parametrize("count", [2, 3, 5])
def test_clips_shorter_than_the_window(count: int) -> None:
    ranks = [i % 2 for i in range(count)]
    assert [item.rank for item in label(alternating(ranks, (0, 3)))] == ranks


@pytest.mark.parametrize("gap", [1.5, 3.0, 6.0])
def test_lost_and_doubled_frames_never_swap_the_exposures(gap: float) -> None:
    rng = np.random.default_rng(3)
    steps = rng.choice([0, 1, 2], size=150, p=[0.04, 0.92, 0.04])
    steps[:2] = 1
    ranks = [int(rank) % 2 for rank in np.cumsum(steps)]
    classifier = ExposureClassifier()
    out = label(alternating(ranks, (0, gap), speed=0.2), classifier)
    assert [item.rank for item in out] == ranks
    broken = [i for i in range(1, len(ranks)) if ranks[i] == ranks[i - 1]]
    assert [i for i, item in enumerate(out) if item.repaired] == broken
    assert classifier.report is not None
    assert classifier.report.drops_detected == len(broken)


def test_slow_drift_of_brightness_is_followed() -> None:
    base = scene()
    ranks = [i % 2 for i in range(120)]
    drift = 2.5 * np.sin(np.arange(120) / 20)  # EV: more than the gap
    frames = [
        grey_frame(exposed(base, 2 * r + d - 2), i) for i, (r, d) in enumerate(zip(ranks, drift, strict=True))
    ]
    assert [item.rank for item in label(frames)] == ranks


def test_cut_is_found_and_the_order_starts_anew() -> None:
    one, other = scene(seed=1), 0.2 * scene(seed=2)
    ranks = [i % 2 for i in range(31)] + [i % 2 for i in range(30)]  # under, under at the cut
    frames = [grey_frame(exposed(one if i < 31 else other, 3 * rank), i) for i, rank in enumerate(ranks)]
    out = label(frames)
    assert [item.rank for item in out] == ranks
    assert [i for i, item in enumerate(out) if item.cut] == [31]


def test_one_exposure_all_the_time_is_refused() -> None:
    frames = [grey_frame(exposed(shifted(scene(), i), 2), i) for i in range(60)]
    with pytest.raises(ExposureError, match="do not alternate"):
        label(frames)
    with pytest.raises(ExposureError, match="only one frame"):
        label(frames[:1])


def test_first_decides_where_nothing_is_to_be_seen() -> None:
    black = [grey_frame(np.zeros((32, 48), np.uint8), i) for i in range(30)]
    out = label(black, ExposureClassifier(first="over"))
    assert [item.rank for item in out] == [(i + 1) % 2 for i in range(30)]


def test_first_does_not_overrule_clear_evidence() -> None:
    ranks = [i % 2 for i in range(30)]
    classifier = ExposureClassifier(first="over")
    assert [item.rank for item in label(alternating(ranks, (0, 3)), classifier)] == ranks
    assert classifier.report is not None
    assert (classifier.report.first_wrong, classifier.report.disagreements) == (True, 0)


@pytest.mark.parametrize("kind", ["rank", "time"])
def test_metadata_label_what_luma_cannot(kind: str) -> None:
    black = np.zeros((32, 48), np.uint8)
    frames = []
    for i in range(40):
        exposure = Exposure(rank=i % 2) if kind == "rank" else Exposure(time_us=1000.0 * 8 ** (i % 2))
        frames.append(replace(grey_frame(black, i), exposure=exposure))
    classifier = ExposureClassifier()
    assert [item.rank for item in label(frames, classifier)] == [i % 2 for i in range(40)]
    assert classifier.report is not None
    if kind == "time":
        assert classifier.report.gap_ev == pytest.approx(3.0)


def test_a_source_that_tells_each_rank_is_not_kept_waiting() -> None:
    ranks = [i % 2 for i in range(12)]
    classifier, out = ExposureClassifier(), []
    for frame, rank in zip(alternating(ranks, (0, 3)), ranks, strict=True):
        out += classifier.push(replace(frame, exposure=Exposure(rank=rank)))
    assert [item.rank for item in out] == ranks  # all of them, before the end of the input is known


def test_metadata_that_contradict_the_pictures_are_not_used() -> None:
    ranks = [i % 2 for i in range(30)]
    frames = [
        replace(f, exposure=Exposure(rank=1 - r))
        for f, r in zip(alternating(ranks, (0, 3)), ranks, strict=True)
    ]
    classifier = ExposureClassifier()
    assert [item.rank for item in label(frames, classifier)] == ranks
    assert classifier.report is not None
    assert classifier.report.disagreements > 10


def test_simultaneous_inputs_in_any_order() -> None:
    frames = []
    for i in range(40):
        luma = exposed(shifted(scene(), i // 2), 3 if i % 2 == 0 else 0)  # the brighter one comes first
        frames.append(replace(grey_frame(luma, i), pts=i // 2))
    out = label(frames, ExposureClassifier(simultaneous=2))
    assert [item.rank for item in out] == [1, 0] * 20


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(UsageError):
        ExposureClassifier(cycle=6)
    with pytest.raises(UsageError):
        ExposureClassifier(cycle=3, first="under")
    with pytest.raises(UsageError):
        ExposureClassifier(cycle=3, simultaneous=2)


@pytest.mark.skipif(not (DATA / "video/bride").is_dir(), reason="needs video/bride of STREAMFUSE_DATA")
def test_real_alternating_footage() -> None:
    frames = []
    for i, path in enumerate(sorted((DATA / "video/bride").glob("*.jpg"))):
        luma = cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        if i != 41:
            frames.append(grey_frame(luma, i))
    classifier = ExposureClassifier()
    assert [item.rank for item in label(frames, classifier)] == [frame.index % 2 for frame in frames]
    assert classifier.report is not None
    assert classifier.report.drops_detected == 1


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("before", [5, 12, 20, 40])
def test_frames_of_one_exposure_before_it_alternates_are_alone(first: int, before: int) -> None:
    ranks = [first] * before + [(i + first) % 2 for i in range(24)]
    classifier = ExposureClassifier()
    out = label(alternating(ranks, (0, 3)), classifier)
    alone = [item.alone for item in out]
    held = before + 1  # the last one of them alternates with what follows
    assert sum(alone) in (held - 1, held)
    assert alone == sorted(alone, reverse=True)
    assert [item.rank for item in out[held:]] == ranks[held:]
    assert classifier.report is not None
    assert sorted(classifier.report.order) == ["over", "under"]
    assert classifier.report.drops_detected == 0


def test_a_long_opening_is_passed_on_where_that_is_wanted() -> None:
    ranks = [0] * 100 + [i % 2 for i in range(24)]
    frames = alternating(ranks, (0, 3), speed=0.1)
    with pytest.raises(ExposureError, match="do not alternate"):
        label(frames)
    out = label(frames, ExposureClassifier(longest_opening=100))
    assert len(out) == len(frames)
    assert [item.frame.index for item in out] == list(range(len(frames)))
    assert all(item.alone for item in out[:99])
    assert [item.rank for item in out[101:]] == ranks[101:]
    assert not any(item.alone for item in out[101:])
    with pytest.raises(ExposureError, match="do not alternate"):
        label(alternating([0] * 300, (0, 3)), ExposureClassifier(longest_opening=100))


def test_a_picture_that_is_held_amid_the_footage_is_alone() -> None:
    base = [i % 2 for i in range(40)]
    frames = alternating(base, (0, 3), speed=0.5)
    held = [replace(frames[19], index=i) for i in range(20, 32)]
    out = label([*frames[:20], *held, *(replace(f, index=f.index + 12) for f in frames[20:])])
    assert [item.frame.index for item in out if item.alone] == list(range(20, 32))
    assert [item.rank for item in out if not item.alone] == base


def test_without_anything_told_nothing_is_contradicted() -> None:
    ranks = [i % 2 for i in range(30)]
    frames = [
        grey_frame((exposed(shifted(scene(), i), 3 * rank) * min(1, (i + 1) / 12)).astype(np.uint8), i)
        for i, rank in enumerate(ranks)
    ]
    classifier = ExposureClassifier()
    assert [item.rank for item in label(frames, classifier)] == ranks
    assert classifier.report is not None
    assert classifier.report.disagreements == 0


def test_a_number_of_exposures_that_is_not_there_is_a_hint() -> None:
    ranks = [i % 2 for i in range(60)]
    classifier = ExposureClassifier(cycle=3)
    assert [item.rank for item in label(alternating(ranks, (0, 3)), classifier)] == ranks
    assert classifier.report is not None
    assert (classifier.report.cycle, classifier.report.cycle_seen) == (2, 2)


def test_a_number_of_exposures_that_is_there_is_taken_though_the_frames_show_another() -> None:
    ranks = [i % 3 for i in range(30)]
    classifier = ExposureClassifier(cycle=2)
    label(alternating(ranks, (0, 2, 4)), classifier)
    assert classifier.report is not None
    assert (classifier.report.cycle, classifier.report.cycle_seen) == (2, 3)
    plain = ExposureClassifier(cycle=3)
    label(alternating(ranks, (0, 2, 4)), plain)
    assert plain.report is not None
    assert (plain.report.cycle, plain.report.cycle_seen) == (3, None)
