from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from align_clips import FULL, alternating, exposed, grey_frame, scene, shifted
from at_once import at_once

from streamfuse.align import Aligner
from streamfuse.align.cpu import CpuOperations, FramePicture
from streamfuse.align.operations import Pending, Shares
from streamfuse.align.steady_gap import MEMORY
from streamfuse.align.synthesis import synthesise
from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import AlignedBracket, ClassifiedFrame, Exposure, Frame, Map, Plane
from streamfuse.core.values import AlignMode, Preset
from streamfuse.exposure import Pairer
from streamfuse.runtime.line import through


def align(
    frames: list[Frame], ranks: list[int], aligner: Aligner, pairer: Pairer | None = None
) -> list[AlignedBracket]:
    pairer = pairer or Pairer()
    cycle = max(ranks) + 1
    out = []
    for frame, rank in zip(frames, ranks, strict=True):
        for bracket in pairer.push(ClassifiedFrame(frame, rank, cycle)):
            out += aligner.push(bracket)
    for bracket in pairer.flush():
        out += aligner.push(bracket)
    return [*out, *aligner.flush()]


def motion_of(flow: np.ndarray, item: AlignedBracket) -> np.ndarray:
    """The median of a flow field, in pixels of the frame."""
    frame = item.bracket.reference
    return np.median(flow, axis=(0, 1)) * (frame.width / flow.shape[1], frame.height / flow.shape[0])


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float64) - other)[8:-8, 16:-16].mean())


@pytest.mark.parametrize("preset", ["fast", "balanced", "best"])
def test_the_missing_exposure_is_what_a_second_camera_would_have_seen(preset: Preset) -> None:
    ranks = [i % 2 for i in range(6)]
    aligned = align(alternating(ranks, (0, 3), speed=2.0), ranks, Aligner(preset))
    for i, item in enumerate(aligned[1:-1], 1):
        assert item.exposures[ranks[i]] is item.bracket.reference.planes
        for rank in (0, 1):
            truth = exposed(shifted(scene(), 2.0 * i), 3.0 * rank)
            assert error(item.exposures[rank][0], truth) < 2.0
        assert item.gaps_ev == pytest.approx((0.0, 3.0), abs=0.15)
        assert item.trust[ranks[i]] is None
        assert float(item.trust[1 - ranks[i]].mean()) > 0.98
        np.testing.assert_allclose(motion_of(item.flow_after, item), (2.0, 0.0), atol=0.3)
        np.testing.assert_allclose(motion_of(item.flow_before, item), (-2.0, 0.0), atol=0.3)
    assert aligned[0].flow_before is None
    assert aligned[-1].flow_after is None


@pytest.mark.parametrize("speed", [1.5, 2.5])
def test_where_light_is_merged_fast_comes_near_to_balanced(speed: float) -> None:
    ranks = [i % 2 for i in range(7)]

    def off(aligner: Aligner) -> float:
        """Code values by which the exposures that were not taken are off."""
        aligned = align(alternating(ranks, (0, 3), speed), ranks, aligner)[1:-1]
        truth = {i: exposed(shifted(scene(), speed * i), 3.0 * (1 - rank)) for i, rank in enumerate(ranks)}
        made = [(item.exposures[1 - item.bracket.rank][0], item.bracket.reference.index) for item in aligned]
        return float(np.mean([error(planes, truth[index]) for planes, index in made]))

    careful = off(Aligner("fast", careful=True))
    assert careful < 0.95 * off(Aligner("fast")) and careful < 1.25 * off(Aligner("balanced"))


@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_colour_moves_with_the_luma(preset: Preset) -> None:
    ranks = [i % 2 for i in range(4)]
    frames = []
    for i, rank in enumerate(ranks):
        luma = exposed(shifted(scene(), 4.0 * i), 3.0 * rank)
        chroma = exposed(shifted(scene(seed=5), 4.0 * i), 1.0)[::2, ::2]
        frames.append(Frame((luma, chroma, 255 - chroma), 8, (1, 1), FULL, i, Fraction(1, 30), i))
    made = align(frames, ranks, Aligner(preset))[2].exposures[1]  # the bright one, at a dark instant
    for plane, own in zip(made[1:], frames[2].planes[1:], strict=True):
        unmoved = np.abs(frames[1].planes[1].astype(float) - frames[2].planes[1])[8:-8, 8:-8].mean()
        assert np.abs(plane.astype(float) - own)[8:-8, 8:-8].mean() < 0.2 * unmoved


def test_global_motion_beats_none() -> None:
    ranks = [i % 2 for i in range(4)]
    frames = alternating(ranks, (0, 2.5), speed=3.0)
    truth = exposed(shifted(scene(), 6.0), 2.5)
    errors = []
    for mode in ("off", "global"):
        out = align(frames, ranks, Aligner("balanced", mode, ghost=False))
        errors.append(error(out[2].exposures[1][0], truth))
        assert (out[2].flow_before is None) == (mode == "off")
    assert errors[1] < errors[0] / 2


def test_an_object_too_fast_to_follow_leaves_no_ghost() -> None:
    ranks = [i % 2 for i in range(5)]
    frames, truth = [], None
    for i, rank in enumerate(ranks):
        linear = 0.12 + 0 * scene()
        linear[40:60, 15 + 30 * i : 27 + 30 * i] = 0.02
        frames.append(grey_frame(exposed(linear, 2.5 * rank), i))
        if i == 2:
            truth = exposed(linear, 2.5)
    with_ghosts = align(frames, ranks, Aligner(ghost=False))[2].exposures[1][0]
    item = align(frames, ranks, Aligner())[2]
    without = item.exposures[1][0]
    assert truth is not None
    worst = [np.abs(picture.astype(int) - truth).max() for picture in (with_ghosts, without)]
    assert worst[1] < 30 < worst[0]
    assert item.trust[1] is not None
    assert item.trust[1].mean() < 1


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("subsampling", [None, (0, 0), (1, 0), (1, 1), (2, 0)])
@pytest.mark.parametrize("full_range", [True, False])
def test_every_format_and_odd_sizes(bits: int, subsampling: tuple[int, int] | None, full_range: bool) -> None:
    height, width = 49, 81
    dtype: type[np.unsignedinteger] = np.uint8 if bits == 8 else np.uint16
    rng = np.random.default_rng(0)
    frames = []
    for i in range(3):
        planes = [rng.integers(0, 1 << bits, (height, width)).astype(dtype)]
        if subsampling is not None:
            across, down = subsampling
            shape = (-(-height // (1 << down)), -(-width // (1 << across)))
            planes += [rng.integers(0, 1 << bits, shape).astype(dtype) for _ in range(2)]
        color = ColorInfo(1, 1, 1, full_range)
        frames.append(Frame(tuple(planes), bits, subsampling or (0, 0), color, i, Fraction(1), i))
    for item in align(frames, [0, 1, 0], Aligner("fast")):
        for planes in item.exposures:
            for plane, own in zip(planes, item.bracket.reference.planes, strict=True):
                assert (plane.shape, plane.dtype) == (own.shape, own.dtype)
                assert plane.max() < 1 << bits


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (15, 40)])
@pytest.mark.parametrize("mode", ["off", "global", "flow"])
def test_tiny_pictures(size: tuple[int, int], mode: AlignMode) -> None:
    frames = [grey_frame(np.full(size, 40 + 80 * (i % 2), np.uint8), i) for i in range(3)]
    assert len(align(frames, [0, 1, 0], Aligner("best", mode))) == 3


def test_an_exposure_without_neighbours_is_made_from_the_reference() -> None:
    ranks = [0, 1, 2]
    frames = alternating(ranks, (0, 3, 6))
    pairer, aligner = Pairer(), Aligner()
    list(pairer.push(ClassifiedFrame(frames[0], 0, 3)))
    list(pairer.push(ClassifiedFrame(frames[1], 1, 3)))
    bracket, _ = pairer.push(ClassifiedFrame(frames[2], 2, 3, cut=True))
    (item,) = aligner.push(bracket)
    assert len(item.exposures) == 3
    assert item.trust[2].max() == 0
    assert item.exposures[2][0].mean() > item.exposures[0][0].mean()


def test_a_frame_without_any_partner_stands_for_every_exposure() -> None:
    frames = alternating([0, 1], (0, 3))
    pairer, aligner = Pairer(), Aligner()
    list(pairer.push(ClassifiedFrame(frames[0], 0, 2)))
    (bracket,) = pairer.push(ClassifiedFrame(frames[1], 1, 2, cut=True))
    (item,) = aligner.push(bracket)
    assert all(planes is frames[0].planes for planes in item.exposures)
    assert (item.trust, item.gaps_ev, item.flow_before, item.flow_after) == (
        (None, None),
        (0.0, 0.0),
        None,
        None,
    )


def test_three_exposures_have_ascending_gaps() -> None:
    ranks = [i % 3 for i in range(7)]
    aligned = align(alternating(ranks, (0, 2, 4)), ranks, Aligner())
    for item in aligned:
        assert item.gaps_ev == pytest.approx((0, 2, 4), abs=0.2)
        means = [float(planes[0].mean()) for planes in item.exposures]
        assert means == sorted(means)


def test_known_exposures_are_used_as_they_are() -> None:
    ranks = [i % 2 for i in range(4)]
    frames = [
        replace(frame, exposure=Exposure(time_us=1000.0 * 2 ** (2.9 * rank)))
        for frame, rank in zip(alternating(ranks, (0, 3)), ranks, strict=True)
    ]
    assert align(frames, ranks, Aligner())[1].gaps_ev == pytest.approx((0, 2.9))


def test_light_that_brightens_and_fades_is_not_the_ratio() -> None:
    ranks, base = [i % 2 for i in range(5)], scene()
    light = [2.0 ** (0.05 * (i - 2) ** 2) for i in range(5)]
    frames = [grey_frame(exposed(base * np.float32(light[i]), 3.0 * rank), i) for i, rank in enumerate(ranks)]
    assert align(frames, ranks, Aligner())[2].gaps_ev == pytest.approx((0.0, 3.0), abs=0.02)


def tinted(ranks: list[int]) -> tuple[list[Frame], list[tuple[Plane, ...]]]:
    """A clip whose bright exposures are redder, and the bright exposure of each of its instants."""
    size, color = (96, 160), ColorInfo(1, 1, 1, full_range=False)
    frames, truth = [], []
    for i, rank in enumerate(ranks):
        light = np.dstack([scene(*size[::-1], seed=n) * 0.05 + 0.012 for n in range(3)])
        light[40:60, 8 + 30 * i : 24 + 30 * i] = 0.11  # too fast to follow
        seen = []
        for exposure in (0, 1):
            gains = np.array([1.4, 1.0, 1 / 1.4], np.float32) ** exposure
            rgb = np.clip(light * gains * np.float32(2.0 ** (2.5 * exposure)), 0, 1) ** np.float32(1 / 2.2)
            codes = np.round(rgb * 65535).astype(np.uint16)
            seen.append(rgb_to_planes(codes, bits=8, subsampling=(1, 1), color=color))
        frames.append(Frame(seen[rank], 8, (1, 1), color, i, Fraction(1, 30), i))
        truth.append(seen[1])
    return frames, truth


def test_a_reference_that_takes_over_has_the_white_balance_of_the_other_exposure() -> None:
    ranks = [i % 2 for i in range(5)]
    frames, truth = tinted(ranks)
    made = align(frames, ranks, Aligner())[2].exposures[1]
    for plane, wanted in zip(made, truth[2], strict=True):
        step = wanted.shape[0] / frames[0].height
        there = tuple(slice(int(a * step), int(b * step)) for a, b in ((44, 56), (72, 80)))
        assert np.abs(plane[there].astype(float) - wanted[there]).mean() < 2.5


def test_brackets_that_are_worked_on_at_once_come_out_as_one_by_one() -> None:
    ranks = [i % 2 for i in range(9)]
    frames, _ = tinted(ranks)
    pairer = Pairer()
    labelled = [ClassifiedFrame(frame, rank, 2) for frame, rank in zip(frames, ranks, strict=True)]
    brackets = [bracket for item in labelled for bracket in pairer.push(item)] + list(pairer.flush())
    aligner = Aligner()
    one_by_one = [aligned for bracket in brackets for aligned in aligner.push(bracket)]
    for mine, wanted in zip(at_once(Aligner(), brackets), one_by_one, strict=True):
        for one, other in zip(mine.exposures, wanted.exposures, strict=True):
            for plane, same in zip(one, other, strict=True):
                np.testing.assert_array_equal(plane, same)


def test_simultaneous_exposures_pass_unwarped() -> None:
    ranks = [i % 2 for i in range(6)]
    frames = [
        replace(grey_frame(exposed(shifted(scene(), 2.0 * (i // 2)), 3.0 * rank), i), pts=i // 2)
        for i, rank in enumerate(ranks)
    ]
    aligned = align(frames, ranks, Aligner(), Pairer(simultaneous=2))
    assert len(aligned) == 3
    for t, item in enumerate(aligned):
        assert [planes[0] is frames[2 * t + r].luma for r, planes in enumerate(item.exposures)] == [
            True,
            True,
        ]
        assert item.trust == (None, None)
    np.testing.assert_allclose(motion_of(aligned[1].flow_after, aligned[1]), (2.0, 0.0), atol=0.5)


def test_half_rate_has_flow_between_its_own_instants() -> None:
    ranks = [i % 2 for i in range(8)]
    aligned = align(alternating(ranks, (0, 3), speed=1.0), ranks, Aligner(rate="half"), Pairer("half"))
    assert len(aligned) == 4
    np.testing.assert_allclose(motion_of(aligned[1].flow_after, aligned[1]), (2.0, 0.0), atol=0.3)
    truth = exposed(shifted(scene(), 2.0), 3.0)
    assert error(aligned[1].exposures[1][0], truth) < 3.0


@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_a_frame_depends_on_a_bounded_window_only(preset: Preset) -> None:
    ranks = [i % 2 for i in range(20)]
    frames = alternating(ranks, (0, 3))
    whole = align(frames, ranks, Aligner(preset))
    late = align(frames[4:], ranks[4:], Aligner(preset))
    known = 2 + MEMORY  # brackets that the first ones of the late film, which see one side, have a say in
    for one, other in zip(whole[4 + known :], late[known:], strict=True):
        for planes, others in zip(one.exposures, other.exposures, strict=True):
            np.testing.assert_array_equal(planes[0], others[0])
        np.testing.assert_array_equal(one.flow_before, other.flow_before)


@pytest.mark.parametrize(
    ("aligner", "across", "along"),
    [
        (
            Aligner(),
            7 + 2,
            6 + 1,
        ),  # seven pairs; the first and the last frame have one neighbour, and ask for themselves
        (
            Aligner("fast", careful=True),
            7,
            3 + 1,
        ),  # of the dark frames, and once of the bright ones, at the end
    ],
    ids=["balanced", "fast and careful"],
)
def test_the_motion_between_two_frames_is_estimated_once(
    aligner: Aligner, across: int, along: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    matched: list[Map] = []
    moved: list[FramePicture] = []
    estimate, follow = CpuOperations.matched, CpuOperations.moved

    def counted(self: CpuOperations, source: Map, targets: Sequence[Map]) -> Pending[Sequence[Map]]:
        matched.extend(targets)
        return estimate(self, source, targets)

    def followed(self: CpuOperations, source: FramePicture, target: FramePicture) -> Map:
        moved.append(target)
        return follow(self, source, target)

    monkeypatch.setattr(CpuOperations, "matched", counted)
    monkeypatch.setattr(CpuOperations, "moved", followed)
    ranks = [i % 2 for i in range(8)]
    aligned = align(alternating(ranks, (0, 3)), ranks, aligner)
    assert len(aligned) == 8
    assert (len(matched), len(moved)) == (across, along)


@pytest.mark.parametrize(
    ("preset", "careful", "made"),
    [
        ("fast", False, {("dark", 1, False), ("bright", 1, False)}),
        ("balanced", True, {("dark", 2, True), ("bright", 2, True)}),
        ("fast", True, {("dark", 2, False), ("bright", 1, True)}),
    ],
)
def test_where_light_is_merged_dark_exposures_are_made_from_both_sides_and_bright_ones_are_sharp(
    preset: Preset, careful: bool, made: set[tuple[str, int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()

    def noted(
        mapped: Sequence[Plane], sides: Sequence[tuple[Frame, Map | None]], weight: Map | None, shares: Shares[Map],
        bits: int, cubic: bool, executor: Executor,
    ) -> tuple[Plane, ...]:  # fmt: skip
        found.add(("bright" if sides[0][0].index % 2 else "dark", len(sides), cubic))
        return synthesise(mapped, sides, weight, shares, bits, cubic, executor)

    monkeypatch.setattr("streamfuse.align.cpu.synthesise", noted)
    ranks = [i % 2 for i in range(7)]
    frames = zip(alternating(ranks, (0, 3)), ranks, strict=True)
    aligner = Aligner(preset, careful=careful)
    for bracket in list(through(Pairer(), [ClassifiedFrame(frame, rank, 2) for frame, rank in frames]))[1:-1]:
        list(aligner.push(bracket))
    assert found == made


def test_sides_that_disagree_where_the_bright_reference_is_clipped_are_not_mixed() -> None:
    ranks = [i % 2 for i in range(5)]
    frames = []
    for i, rank in enumerate(ranks):
        linear = np.full(
            (96, 160), 0.9, np.float32
        )  # clipped at 3 EV, and so is what moves, too fast to follow
        linear[:, :40] = scene()[:, :40]
        linear[30:66, 24 + 28 * i : 44 + 28 * i] = 0.3
        frames.append(grey_frame(exposed(linear, 3.0 * rank), i))
    made = align(frames, ranks, Aligner())[3].exposures[0][0][34:62, 60:]
    light, dark = (int(exposed(np.array([[level]], np.float32), 0)[0, 0]) for level in (0.9, 0.3))
    between = (made < light - 25) & (made > dark + 25)  # half transparent
    assert between.mean() < 0.12


def test_what_nobody_saw_is_filled_from_what_has_moved_not_with_the_level_of_clipping() -> None:
    ranks = [i % 2 for i in range(5)]
    color, skin = ColorInfo(1, 1, 1, full_range=True), np.array([0.5, 0.36, 0.3], np.float32)
    frames = []
    for i, rank in enumerate(ranks):
        light = np.repeat(scene(240, 120)[..., None] * np.float32(0.05), 3, axis=2)
        light[40:72, 8 + 44 * i : 40 + 44 * i] = skin  # white at 3 EV, and too fast to follow
        rgb = np.clip(light * np.float32(2.0 ** (3 * rank)), 0, 1) ** np.float32(1 / 2.2)
        codes = np.round(rgb * 65535).astype(np.uint16)
        planes = rgb_to_planes(codes, bits=8, subsampling=(1, 1), color=color)
        frames.append(Frame(planes, 8, (1, 1), color, i, Fraction(1, 30), i))
    made = align(frames, ranks, Aligner())[3].exposures[0]
    truth = rgb_to_planes(
        np.round(np.broadcast_to(skin ** np.float32(1 / 2.2), (8, 8, 3)) * 65535).astype(np.uint16),
        bits=8, subsampling=(1, 1), color=color,
    )  # fmt: skip
    for plane, wanted, most in zip(made, truth, (20, 6, 6), strict=True):  # 66 too dark without
        zoom = plane.shape[0] / 120
        place = plane[int(46 * zoom) : int(66 * zoom), int(146 * zoom) : int(166 * zoom)]
        assert np.abs(place.astype(float) - float(wanted[0, 0])).mean() < most


@pytest.mark.parametrize("speed", [18, 24])
def test_what_moves_fast_and_is_clipped_is_whole_and_not_grey(speed: int) -> None:
    ranks = [i % 2 for i in range(5)]
    light, thing = scene(320, 192, 1), scene(24, 72, 2)
    scenes = []
    for i in range(5):
        linear = np.float32(0.05) + np.float32(0.05) * np.sqrt(light)
        left = 30 + speed * i
        linear[60:132, left : left + 24] = 0.15 + 0.5 * np.sqrt(thing)  # white at 3 EV
        scenes.append(linear)
    frames = [
        grey_frame(exposed(linear, 3.0 * rank), i)
        for i, (linear, rank) in enumerate(zip(scenes, ranks, strict=True))
    ]
    made, left = align(frames, ranks, Aligner())[3].exposures[0][0], 30 + speed * 3
    wrong = np.abs(made.astype(float) - exposed(scenes[3], 0))[50:142, left - 20 : left + 44]
    assert wrong.mean() < 7
    assert (wrong > 25).mean() < 0.1
