"""White balance as an augmentation: what the gains are, what luma they give, and that brackets stay brackets."""

import cv2
import numpy as np
import pytest

from streamfuse.lab.train.data import Sampler, Stack, load_panoramas, load_stacks
from streamfuse.lab.train.white_balance import WhiteBalance, balanced_luma, balanced_luminance

RED, GREEN, BLUE = np.eye(3, dtype=np.float32)[::-1]


def filled(*colour):
    return np.full((2, 3, 3), colour, np.float32)


def test_gains_are_common_to_a_stack_and_within_the_amount():
    rng = np.random.default_rng(0)
    drawn = np.stack([WhiteBalance(0.3).gains(4, rng) for _ in range(200)])
    assert drawn.shape == (200, 5, 3)
    assert (drawn == drawn[:, :1]).all()
    assert (drawn.min(axis=2) == 1).all()
    against_green = np.log(drawn[:, 0, ::2] / drawn[:, 0, 1:2])
    assert 0.25 < np.abs(against_green).max() <= 0.3 + 1e-6
    assert np.abs(np.corrcoef(against_green.T)[0, 1]) < 0.3  # blue and red go their own ways


def test_exposures_may_differ_a_little_from_what_they_have_in_common():
    rng = np.random.default_rng(1)
    for _ in range(50):
        *each, common = WhiteBalance(0.3, 0.02).gains(3, rng)
        assert len({tuple(gains) for gains in each}) == 3
        for gains in each:
            off = np.log(gains / gains[1]) - np.log(common / common[1])
            assert 0 < np.abs(off).max() <= 0.02 + 1e-6


@pytest.mark.parametrize(
    ("colour", "luma"),
    [
        (0.5 * RED, 0.299 * 0.75),
        (0.5 * GREEN, 0.587 * 0.5),
        (0.5 * BLUE, 0.114 * 0.6),
        (0.9 * RED, 0.299),  # clipped
        (RED + GREEN + BLUE, 1),
        (0 * RED, 0),
    ],
)
def test_gains_on_the_channels_come_before_luma(colour, luma):
    gains = np.array([[1.2, 1, 1.5]], np.float32)
    assert balanced_luma(filled(*colour)[None], gains) == pytest.approx(luma, abs=1e-6)


def test_linear_light_gets_the_gains_that_gamma_coded_values_would():
    gains = np.array([[1.2, 1, 1.5], [1, 1, 1]], np.float32)
    for colour, wanted in ((RED, 1.5), (GREEN, 1), (BLUE, 1.2)):
        first, plain = balanced_luminance(filled(*(0.2 * colour)), gains, 2.2) ** (1 / 2.2)
        assert first / plain == pytest.approx(wanted, abs=1e-5)
    assert balanced_luminance(filled(3, 3, 3), gains, 2.2)[1] == pytest.approx(3)


def coloured(*codes):
    """Pictures of one colour, more red than blue."""
    return [np.tile(np.array([code // 2, code, code + 30], np.uint8), (96, 128, 1)) for code in codes]


def levels(balance):
    """(20, 3): the two exposures' and the label's luma in 20 samples."""
    *exposures, label = coloured(60, 120, 90)
    sampler = Sampler(
        [Stack("s", tuple(exposures), label)], [], (64, 64), 3, labelled_share=1, balance=balance
    )
    samples = [sample for _, sample in zip(range(20), sampler, strict=False) if len(sample.clean) == 2]
    assert len(samples) >= 5
    return np.array([[*s.clean.mean(axis=(1, 2)), s.label.mean()] for s in samples])


def test_a_stack_and_its_label_change_together():
    plain, common = levels(None), levels(WhiteBalance(0.3))
    apart = levels(WhiteBalance(0.3, 0.05))
    np.testing.assert_allclose(plain, np.broadcast_to(plain[0], plain.shape), atol=1e-6)
    assert np.ptp(common[:, 0]) > 0.02
    # red and blue of the exposures stand in nearly the same ratio, so luma does
    ratios, wanted = common[:, 1:] / common[:, :1], plain[0, 1:] / plain[0, 0]
    assert np.abs(ratios / wanted - 1).max() < 0.03
    assert np.ptp(apart[:, 1] / apart[:, 0]) > 2 * np.ptp(ratios[:, 0])


@pytest.fixture
def folder(tmp_path):
    """A stack in colour with its label, and a panorama."""
    (tmp_path / "scene").mkdir()
    for name, picture in zip(("00", "01", "reference"), coloured(60, 120, 90), strict=True):
        cv2.imwrite(str(tmp_path / f"scene/{name}.jpg"), picture)
    light = np.random.default_rng(2).uniform(0.1, 9, (48, 96, 3)).astype(np.float32)
    cv2.imwrite(str(tmp_path / "light.hdr"), light)
    return tmp_path


def test_pictures_are_read_in_colour_on_request(folder):
    (luma,), (colour,) = load_stacks(folder), load_stacks(folder, colour=True)
    assert {e.shape for e in (*luma.exposures, luma.label)} == {(96, 128)}
    assert {e.shape for e in (*colour.exposures, colour.label)} == {(96, 128, 3)}
    for mine, wanted in zip(
        (*colour.luma().exposures, colour.luma().label), (*luma.exposures, luma.label), strict=True
    ):
        np.testing.assert_allclose(mine.astype(int), wanted.astype(int), atol=1)
    (grey,), (light,) = load_panoramas(folder), load_panoramas(folder, colour=True)
    np.testing.assert_allclose(light @ np.array([0.0722, 0.7152, 0.2126], np.float32), grey, rtol=1e-4)


def test_panoramas_in_colour_give_brackets_too(folder):
    sampler = Sampler(
        [], load_panoramas(folder, colour=True), (48, 64), 0, 0, 1, balance=WhiteBalance(0.3, 0.02)
    )
    for _ in range(10):
        (sample,) = sampler.batch(1)
        assert sample.noisy.shape == sample.clean.shape == (len(sample.clean), 48, 64)
        assert (np.diff(sample.clean.mean(axis=(1, 2))) >= -0.01).all()
