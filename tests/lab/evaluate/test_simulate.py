"""The simulated source: its exposures, its truth, and that both agree to the last bit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.core.protocols import Source
from streamfuse.errors import InputError, UsageError
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation, expose, simulate_exposures


def scene(count=8, shape=(20, 26)):
    rng = np.random.default_rng(5)
    still = rng.random((*shape, 3)).astype(np.float32) ** 3
    return [np.roll(still, t, axis=1) for t in range(count)]


def test_expose_is_the_written_formula():
    light = np.array([0.0, 0.01, 0.5, 3.0], np.float32)
    exposed = expose(light, 3.0, 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(exposed, [0, 0.08 ** (1 / 2.2), 1, 1], rtol=1e-5)


def test_noise_has_the_sigma_asked_for_and_only_the_darkest_has_it():
    grey = np.full((64, 64, 3), 0.1, np.float32)
    noisy = expose(grey, 0.0, 2e-3, np.random.default_rng(0)) ** 2.2
    assert noisy.std() == pytest.approx(2e-3, rel=0.05)
    dark, bright = simulate_exposures(grey, noise=5e-3, subsampling=(0, 0))
    assert dark[0].std() > 0.5
    assert bright[0].std() == 0


@pytest.mark.parametrize(("bits", "top"), [(8, 235), (10, 940)])
@pytest.mark.parametrize(("subsampling", "chroma"), [((1, 1), (10, 13)), ((0, 0), (19, 26))])
def test_planes_are_limited_range_of_the_depth_and_subsampling(bits, top, subsampling, chroma):
    white = np.ones((19, 26, 3), np.float32)
    for planes in simulate_exposures(white, noise=0.0, bits=bits, subsampling=subsampling):
        y, cb, cr = planes
        assert y.dtype == (np.uint8 if bits == 8 else np.uint16)
        assert (y == top).all()
        assert cb.shape == cr.shape == chroma
        assert (cb == 128 << (bits - 8)).all()


def test_clip_is_a_source_of_alternating_frames():
    clip = SimulatedClip(scene(6), Simulation(first="over"))
    assert isinstance(clip, Source)
    frames = list(clip)
    assert [frame.index for frame in frames] == list(range(6))
    assert [frame.pts for frame in frames] == list(range(6))
    assert [truth.rank for truth in clip.truth] == [1, 0, 1, 0, 1, 0]
    means = [frame.luma.mean() for frame in frames]
    assert min(means[::2]) > max(means[1::2])
    assert (clip.info.width, clip.info.height, clip.info.frame_count) == (26, 20, 6)
    assert all(frame.exposure is None for frame in frames)


def test_delivered_frame_is_one_of_the_oracle_s_to_the_last_bit():
    setting = Simulation(shake_px=2.0, drift_ev=0.3, drop=0.2, double=0.2, seed=3)
    clip = SimulatedClip(scene(), setting)
    again = SimulatedClip(scene(), setting)
    for index in reversed(range(len(clip))):
        truth = clip.truth[index]
        for delivered, ideal in zip(
            clip.frame(index).planes, again.exposures(truth.instant)[truth.rank].planes, strict=True
        ):
            np.testing.assert_array_equal(delivered, ideal)


def test_cycle_of_three_and_known_exposures():
    clip = SimulatedClip(scene(6), Simulation(gaps_ev=(0, 2, 4), known_exposures=True))
    assert [truth.rank for truth in clip.truth] == [0, 1, 2, 0, 1, 2]
    known = [clip.frame(index).exposure for index in range(3)]
    assert [exposure.rank for exposure in known] == [0, 1, 2]
    assert known[2].ev - known[0].ev == pytest.approx(4)


def test_white_of_the_first_frame_just_saturates_the_darkest():
    radiance = [frame * 37 for frame in scene(2, (60, 60))]
    clip = SimulatedClip(radiance, Simulation(noise=0.0))
    dark = clip.exposures(0)[0]
    saturated = (dark.planes[0] >= 234).mean()
    assert saturated < 0.02
    unscaled = SimulatedClip(scene(2, (60, 60)), Simulation(noise=0.0)).exposures(0)[0]
    np.testing.assert_allclose(dark.luma.astype(int), unscaled.luma.astype(int), atol=1)


def test_white_is_the_995th_permille_of_the_first_frame():
    ramp = np.repeat(np.linspace(0, 50, 10000, dtype=np.float32).reshape(100, 100, 1), 3, axis=2)
    dark = SimulatedClip([ramp], Simulation(noise=0.0, bits=16)).exposures(0)[0].luma
    assert (dark == dark.max()).mean() == pytest.approx(0.005, abs=0.001)


def test_noise_is_new_in_every_picture():
    still = SimulatedClip([scene(1)[0]] * 3, Simulation(noise=5e-3))
    assert (still.exposures(0)[0].luma != still.exposures(2)[0].luma).mean() > 0.2


def test_drift_swings_all_exposures_and_leaves_the_clean_scene():
    still = [scene(1)[0]] * 24
    clip = SimulatedClip(still, Simulation(drift_ev=1.0, noise=0.0))
    dark = [clip.exposures(t)[0].luma.mean() for t in (0, 12)]
    assert dark[1] > dark[0] + 10
    np.testing.assert_array_equal(clip.scene_lumas(0)[0], clip.scene_lumas(12)[0])


def test_white_balance_shifts_the_brightest_from_blue_to_red():
    still = [np.full((8, 8, 3), 0.01, np.float32), np.full((8, 8, 3), 0.01, np.float32)]
    still[0][0, 0] = 1.0  # white, so that the rest is dark
    clip = SimulatedClip(still, Simulation(white_balance_ev=0.5, noise=0.0))
    dark, bright = clip.exposures(0)
    assert (dark.planes[1][2, 2], dark.planes[2][2, 2]) == (128, 128)
    assert bright.planes[1][2, 2] < 122
    assert bright.planes[2][2, 2] > 134


def test_shake_moves_the_scene_and_starts_at_rest():
    still = [scene(1)[0]] * 5
    clip = SimulatedClip(still, Simulation(shake_px=2.0))
    calm = SimulatedClip(still, Simulation())
    np.testing.assert_array_equal(clip.frame(0).luma, calm.frame(0).luma)
    assert (clip.scene_lumas(4)[0] != clip.scene_lumas(0)[0]).any()


@st.composite
def simulations(draw):
    return Simulation(
        gaps_ev=tuple(map(float, range(draw(st.integers(2, 4))))),
        drop=draw(st.floats(0, 0.5)),
        double=draw(st.floats(0, 0.5)),
        pts_gaps=draw(st.booleans()),
        seed=draw(st.integers(0, 1000)),
    )


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 40), simulation=simulations())
def test_truth_of_lost_and_doubled_frames(count, simulation):
    clip = SimulatedClip([np.ones((2, 2, 3), np.float32)] * count, simulation)
    for now, after in pairwise(clip.truth):
        assert now.instant <= after.instant
        assert now.slot < after.slot
    assert all(truth.rank == truth.instant % clip.cycle for truth in clip.truth)
    pts = [clip.frame(index).pts for index in range(len(clip))]
    assert pts == sorted(set(pts))
    if not simulation.pts_gaps:
        assert pts == list(range(len(clip)))
    if simulation.drop == simulation.double == 0:
        assert len(clip) == count


def test_losses_have_the_rate_asked_for():
    blank = [np.ones((1, 1, 3), np.float32)] * 4000
    lost = SimulatedClip(blank, Simulation(drop=0.1))
    doubled = SimulatedClip(blank, Simulation(double=0.1))
    assert len(lost) == pytest.approx(3600, abs=80)
    assert len(doubled) == pytest.approx(4400, abs=80)


def test_pts_of_the_original_clip_are_kept_and_gaps_show_losses():
    clip = SimulatedClip(
        scene(8), Simulation(drop=0.4, pts_gaps=True, seed=1), pts=[0, 3, 5, 9, 12, 14, 18, 20]
    )
    assert 0 < len(clip) < 8
    for index, truth in enumerate(clip.truth):
        assert clip.frame(index).pts == [0, 3, 5, 9, 12, 14, 18, 20][truth.instant]


def test_close_ends_the_iteration():
    clip = SimulatedClip(scene())
    frames = iter(clip)
    next(frames)
    clip.close()
    clip.close()
    assert list(frames) == []


@pytest.mark.parametrize(
    "wrong",
    [{"gaps_ev": (0.0,)}, {"gaps_ev": (1.0, 3.0)}, {"gaps_ev": (0.0, 3.0, 3.0)}, {"drop": 1.0}, {"bits": 7}],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UsageError):
        Simulation(**wrong)


def test_frames_of_another_size_are_refused():
    clip = SimulatedClip([*scene(1), *scene(1, (20, 24))])
    with pytest.raises(InputError, match="26x20 to 24x20 at frame 1"):
        list(clip)


def test_no_frames_are_refused():
    with pytest.raises(InputError, match="no frames"):
        SimulatedClip([])
