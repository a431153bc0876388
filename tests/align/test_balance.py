from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from align_clips import scene

from streamfuse.align import balance
from streamfuse.imaging.photometric import ratio_curve, transfer_curve
from streamfuse.imaging.planes import WorkingPicture

WEIGHTS = np.array([[0.2126, 0.7152, 0.0722]], np.float32)
CURVE = ratio_curve(3.0)


def shown(
    ev: float, red_ev: float = 0.0, blue_ev: float = 0.0, dx: int = 0, noise: float = 0.0
) -> WorkingPicture:
    light = np.dstack([np.roll(scene(320, 192, seed=n), dx, axis=1) * 0.3 + 0.01 for n in range(3)])
    linear = light * np.array([2.0**red_ev, 1.0, 2.0**blue_ev], np.float32) * np.float32(2.0**ev)
    linear += noise * np.random.default_rng(0).standard_normal(linear.shape, np.float32)
    rgb = (np.clip(linear, 0, 1) ** (1 / 2.2)).astype(np.float32)
    return WorkingPicture(np.asarray(rgb @ WEIGHTS[0], np.float32), rgb, WEIGHTS)


def measured(
    bright: WorkingPicture, tracker: balance.BalanceTracker | None = None, **dark: float
) -> tuple[float, float]:
    """EV of red and blue after one bracket more, or after as many as a proof needs."""
    times = balance.MIN_BRACKETS if tracker is None else 1
    tracker = tracker or balance.BalanceTracker()
    for _ in range(times):
        red, blue = tracker(0, [balance.blocks(shown(0, **dark))], [balance.blocks(bright)], CURVE)  # type: ignore[arg-type]
    return 2.2 * float(np.log2(red)), 2.2 * float(np.log2(blue))


def pictures(linear: npt.NDArray[np.float32]) -> tuple[WorkingPicture, WorkingPicture]:
    """The dark and the bright picture of a scene."""
    found = []
    for ev in (0.0, 3.0):
        rgb = (np.clip(linear * np.float32(2.0**ev), 0, 1) ** (1 / 2.2)).astype(np.float32)
        found.append(WorkingPicture(np.asarray(rgb @ WEIGHTS[0], np.float32), rgb, WEIGHTS))
    return found[0], found[1]


def steel_before_sky(step: int) -> npt.NDArray[np.float32]:
    """Grey bars, whose colour the dark exposure cannot tell, before a blue sky that clips in the bright one."""
    sky = np.broadcast_to(np.array([0.3, 0.5, 0.8], np.float32), (96, 160, 3))
    bars = ((np.arange(160) + 16 * step) // 16 % 2 == 0)[None, :, None]
    return np.where(bars, np.float32(0.006), sky).astype(np.float32)


@pytest.mark.parametrize("ev", [0.2, -0.4, 0.8])
def test_gains_of_red_and_blue_are_found_in_noise_and_motion(ev: float) -> None:
    found = measured(shown(3, red_ev=ev, blue_ev=-ev, dx=3), noise=0.002)
    assert found == pytest.approx((ev, -ev), abs=0.05)


@pytest.mark.parametrize("ev", [0.0, 0.03, 5.0])
def test_small_differences_are_left_as_they_are_and_so_are_other_scenes(ev: float) -> None:
    assert measured(shown(3, red_ev=ev, dx=3), noise=0.002)[0] == 0.0


def test_what_tells_nothing_is_neutral() -> None:
    black = WorkingPicture(np.zeros((96, 96), np.float32), np.zeros((96, 96, 3), np.float32), WEIGHTS)
    assert measured(black) == (0.0, 0.0)
    assert balance.blocks(WorkingPicture(black.luma, None, WEIGHTS)) is None
    assert balance.blocks(WorkingPicture(black.luma[:4, :4], black.luma[:4, :4, None], WEIGHTS)) is None


def test_different_places_in_the_two_exposures_prove_nothing() -> None:
    tracker = balance.BalanceTracker()
    for step in range(8):  # where the one shows sky the other shows steel
        dark = balance.blocks(pictures(steel_before_sky(step))[0])
        bright = balance.blocks(pictures(steel_before_sky(step + 1))[1])
        assert tracker(0, [dark], [bright], CURVE) == balance.NEUTRAL


def test_blocks_that_disagree_prove_nothing_and_neither_do_brackets_that_do() -> None:
    tracker = balance.BalanceTracker()
    rng = np.random.default_rng(0)
    for step in range(8):
        dark = balance.blocks(shown(0))
        bright = balance.blocks(shown(3))
        assert dark is not None
        assert bright is not None
        scattered = bright.rgb.copy()
        scattered[..., 0] *= 2 ** (rng.uniform(-0.8, 1.6, bright.peak.shape).astype(np.float32) / 2.2)
        scattered[..., 2] *= 2 ** ((0.2 if step % 2 else 0.7) / 2.2)
        gains = tracker(0, [dark], [replace(bright, rgb=scattered, peak=bright.peak)], CURVE)
        assert gains == balance.NEUTRAL


def test_a_few_blocks_are_no_proof() -> None:
    tracker = balance.BalanceTracker()
    for _ in range(8):
        dark, bright = (balance.blocks(shown(ev, red_ev=red)) for ev, red in ((0, 0.0), (3, 0.4)))
        assert dark is not None
        assert bright is not None
        few = slice(0, 2), slice(0, 2)
        pair = [balance.Blocks(one.rgb[few], one.peak[few]) for one in (dark, bright)]
        assert tracker(0, pair[:1], pair[1:], CURVE) == balance.NEUTRAL


def test_a_gain_that_is_proven_does_not_come_and_go() -> None:
    tracker = balance.BalanceTracker()
    for _ in range(4):
        measured(shown(3, red_ev=0.4), tracker)
    for step in range(6):  # 0.4 EV on average, less sure than a first proof has to be
        red = measured(shown(3, red_ev=0.25 if step % 2 else 0.55), tracker)[0]
        assert red > 0.2


def test_one_bracket_that_differs_changes_nothing_and_the_past_is_forgotten() -> None:
    tracker = balance.BalanceTracker()
    for _ in range(5):
        measured(shown(3, red_ev=0.4), tracker)
    assert measured(shown(3, red_ev=1.2), tracker)[0] == pytest.approx(0.4, abs=0.05)
    for _ in range(balance.MEMORY):
        measured(shown(3), tracker)
    assert measured(shown(3), tracker)[0] == 0.0


@pytest.mark.parametrize("curve", [CURVE, transfer_curve(3.0, (0.055, 2.4))])
def test_colours_come_to_the_other_scale_and_back(curve) -> None:
    coloured = replace(curve, balance=(1.2, 0.8))
    dark = np.full((2, 2, 3), 0.2, np.float32)
    bright = coloured.brighten_rgb(dark)
    assert bright[0, 0, 0] > bright[0, 0, 1] > bright[0, 0, 2]
    np.testing.assert_allclose(coloured.darken_rgb(bright), dark, atol=0.002)
