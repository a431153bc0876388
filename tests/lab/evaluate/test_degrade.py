"""Each degradation does what it is called for, to the frames only: what would be right stays what it is."""

import json

import cv2
import numpy as np
import pytest
from runs import streamfuse

from streamfuse.errors import UsageError
from streamfuse.lab.evaluate.degrade import FULL_WELL, LongExposure, bit_rate
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation


def scene(count=6, shape=(64, 96)):
    """Smooth blobs that move by 2 pixels an instant."""
    still = cv2.GaussianBlur(np.random.default_rng(5).random((*shape, 3)).astype(np.float32) ** 3, (0, 0), 4)
    return [np.roll(still, 2 * t, axis=1) for t in range(count)]


def grey(light, count=4):
    """Flat but for one corner that is white, so that the rest is at `light` of it."""
    flat = np.full((64, 96, 3), light, np.float32)
    flat[:3, :20] = 1
    return [flat] * count


def filmed(frames, degrade, **settings):
    return SimulatedClip(frames, Simulation(degrade=degrade, noise=0, **settings))


@pytest.mark.parametrize("degrade", ["iso", "h264", "bands"])
def test_the_frames_are_degraded_and_the_truth_is_not(degrade):
    clean, degraded = (filmed(scene(), kind) for kind in ("none", degrade))
    for instant in range(6):
        for right, calm in zip(clean.exposures(instant), degraded.exposures(instant, calm=True), strict=True):
            np.testing.assert_array_equal(right.planes[0], calm.planes[0])
    assert any((a.planes[0] != b.planes[0]).any() for a, b in zip(clean, degraded, strict=True))


def test_alternating_iso_makes_the_bright_exposure_the_noisy_one():
    clip = filmed(grey(0.1), "iso", subsampling=(0, 0))
    dark, bright = (frame.planes[0][10:].astype(float).std() for frame in clip.exposures(1))
    assert bright > 2 * dark > 0
    assert (clip.frame(1).planes[0] != clip.frame(3).planes[0]).any()


def test_its_noise_is_that_of_the_electrons():
    clip = filmed(grey(0.25), "iso", bits=16, subsampling=(0, 0))
    luma = (clip.exposures(0)[0].planes[0][10:].astype(float) - 4096) / (235 * 256 - 4096)
    # of luma, in linear light: the noise of the channels weighs in by the square of their coefficients
    share = np.sqrt(0.2126**2 + 0.7152**2 + 0.0722**2)
    assert (luma**2.2).std() == pytest.approx(share * np.sqrt(0.25 / FULL_WELL), rel=0.1)


def test_bands_are_seen_by_short_exposures_only_and_travel():
    clip = filmed(grey(0.1), "bands")
    (dark, bright), later = clip.exposures(0), clip.exposures(1)[0]
    rows = [frame.planes[0][4:, 40:].mean(axis=1) for frame in (dark, bright, later)]
    assert np.ptp(rows[0]) > 5
    assert np.ptp(rows[1]) < 1
    assert np.abs(rows[0] - rows[2]).max() > 5


def test_a_camera_s_encoder_loses_what_fits_its_rate():
    noisy = [
        frame + np.random.default_rng(t).random(frame.shape, np.float32) for t, frame in enumerate(scene())
    ]
    clean, coded = (list(filmed(noisy, kind)) for kind in ("none", "h264"))
    errors = [
        np.abs(a.planes[0].astype(float) - b.planes[0]).mean() for a, b in zip(clean, coded, strict=True)
    ]
    assert 1 < np.mean(errors) < 30
    assert [frame.planes[1].shape for frame in coded] == [frame.planes[1].shape for frame in clean]


def test_small_pictures_get_more_bits_for_each_pixel():
    assert bit_rate(1920, 1080) == 10_000_000
    assert bit_rate(480, 270) == 2_500_000


def test_both_exposures_of_an_instant_have_been_through_the_encoder():
    noise = np.random.default_rng(3)
    noisy = [0.1 * noise.random(frame.shape, np.float32) for frame in scene()]
    noisy[0][:4] = 1
    clip = filmed(noisy, "h264")
    for instant in range(6):
        pictures = clip.exposures(instant)
        calm = clip.exposures(instant, calm=True)
        assert (pictures[instant % 2].planes[0] == clip.frame(instant).planes[0]).all()
        assert all((a.planes[0] != b.planes[0]).any() for a, b in zip(pictures, calm, strict=True))


def test_the_encoder_refuses_what_it_does_not_take():
    clip = filmed(scene(), "h264", bits=10)
    with pytest.raises(UsageError, match="even sides"):
        clip.frame(0)


def test_the_long_exposure_is_the_mean_of_the_frames_around_its_instant():
    frames = [np.full((2, 2, 3), float(n), np.float32) for n in range(12)]
    long = LongExposure(frames, 4, 3)
    assert [float(frame[0, 0, 0]) for frame in long] == [0.5, 4, 8]
    with pytest.raises(UsageError, match="--step 3"):
        LongExposure(frames, 2, 6)


def test_only_the_brightest_exposure_is_blurred():
    every = scene(12)
    long = LongExposure(every, 4, 3)
    clip = SimulatedClip(every[::4], Simulation((0.0, 0.5), 0, degrade="blur"), longest=long)
    for right, seen, changed in zip(
        clip.exposures(1, calm=True), clip.exposures(1), (False, True), strict=True
    ):
        assert (right.planes[0] != seen.planes[0]).any() == changed


@pytest.mark.slow
def test_a_clip_is_measured_once_with_each(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(
        scene(16)
    ):  # of more contrast, so that the bright exposure shows something
        assert cv2.imwrite(str(folder / f"{number:02}.hdr"), frame**12)
    done = streamfuse(
        "evaluate", "video", folder, "--degrade", "none", "--degrade", "blur", "--degrade", "bands", "--step", "4",
        "--frames", "4", "--preset", "fast", "--no-peers", "--json", tmp_path / "figures.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert [row["degrade"] for row in rows] == ["none", "blur", "bands"]
    assert rows[0]["psnr"] > max(row["psnr"] for row in rows[1:])
    assert rows[0]["psnr_lit"] is None
    assert all(10 < row["psnr_lit"] < 60 and 10 < row["psnr_frames"] < 60 for row in rows[1:])
