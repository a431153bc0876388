"""Measures of radiance against the true one, on a scale on which equal differences look about equal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfuse.lab.evaluate import metrics
from streamfuse.lab.evaluate.metrics import Flow, Luma, Mask
from streamfuse.lab.evaluate.radiance_clips import Radiance, luminance

MU = 5000.0  # Kalantari and Ramamoorthi 2017
SHOWN_PEAK = 1000.0  # cd/m2 at which the darkest exposure's white is shown, for PU21
_PU21_RANGE = 0.005, 10_000.0  # cd/m2
_PU21 = (0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627, 0.09150303166, 0.9099517204, 596.3148142)
_PU21_WHITE = 256.0  # of 100 cd/m2: what PSNR takes for its peak
_SEEN = 0.02  # true luminance that is well above the noise of the darkest exposure
_HOLE = 1 / 8  # of the true luminance: less is a hole


def mu_law(radiance: Radiance) -> Radiance:
    """log(1 + mu x) / log(1 + mu) of radiance clipped to [0, 1]: float32 of the same shape, in [0, 1]."""
    clipped = np.clip(radiance, 0, 1).astype(np.float32)
    return np.asarray(np.log1p(np.float32(MU) * clipped) / np.float32(math.log1p(MU)), np.float32)


def pu21(nits: Radiance) -> Radiance:
    """PU21, banding + glare (Mantiuk and Azimi, PCS 2021): 256 at 100 cd/m2, float32 of the same shape."""
    a, b, c, d, e, f, g = _PU21
    power = np.clip(nits.astype(np.float64), *_PU21_RANGE) ** d
    return np.maximum(g * (((a + b * power) / (1 + c * power)) ** e - f), 0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class HdrScore:
    """One method on one clip.

    Args:
        method: its name.
        frames: that were measured.
        psnr_mu: PSNR of the mu-law, dB: of the mean square error of all frames, R, G and B.
        pu21_psnr: PSNR of PU21, dB, where radiance 1 is shown at `SHOWN_PEAK`.
        pu21_ssim: SSIM of PU21 of luminance, mean of all frames.
        holes: share of the pixels well above the noise of the darkest exposure that lost 3 EV or more.
        flicker: temporal warping error of the mu-law of luminance, root mean square, in 1/255: how much the picture
            changes along the motion.
        flicker_ratio: that, divided by the oracle's on the same frames.
        alternation: AFo of the mu-law of luminance against the true one, mean over blocks, in 1/255.
        alternation_global: the same of the whole picture.
    """

    method: str
    frames: int
    psnr_mu: float
    pu21_psnr: float
    pu21_ssim: float
    holes: float
    flicker: float
    flicker_ratio: float
    alternation: float
    alternation_global: float


class Motion:
    """The motion between true pictures of a clip, by OpenCV's DIS: each is looked for once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Flow, Mask]] = {}

    def __call__(self, instant: int, now: Luma, after: Luma) -> tuple[Flow, Mask]:
        """Flow from instant to instant + 1, and where it can be followed."""
        if instant not in self._known:
            codes = [np.round(one * 255).astype(np.uint8) for one in (now, after)]
            forward, backward = metrics.dense_flow(*codes), metrics.dense_flow(*codes[::-1])
            self._known[instant] = forward, metrics.consistent(forward, backward)
        return self._known[instant]


class HdrMeter:
    """Adds up the frames of one method on one clip, in order.

    Args:
        cycle: number of exposures.
        motion: shared by the methods.
    """

    def __init__(self, cycle: int, motion: Motion) -> None:
        self._motion = motion
        self._alternation = metrics.AlternationFlicker(cycle)
        self._last: tuple[int, Luma, Luma, Luma] | None = None
        self._mu: list[float] = []
        self._pu: list[float] = []
        self._ssim: list[float] = []
        self._lost, self._seen = 0, 0
        self._changes: list[float] = []
        self._oracle_changes: list[float] = []

    def add(self, instant: int, rank: int, found: Radiance, oracle: Radiance, truth: Radiance) -> None:
        """Take the next frame: all of them (H, W, 3), 1 = white of the darkest exposure."""
        known = np.clip(truth, 0, 1)
        self._mu.append(_mean_square(mu_law(found), mu_law(known)))
        shown = [pu21(np.float32(SHOWN_PEAK) * np.clip(one, 0, 1)) for one in (found, known)]
        self._pu.append(_mean_square(*shown))
        ours, light = (luminance(np.clip(one, 0, 1)) for one in (found, truth))
        grey = (pu21(np.float32(SHOWN_PEAK) * one) for one in (ours, light))
        self._ssim.append(metrics.ssim(*grey, data_range=_PU21_WHITE))
        self._seen += int(np.count_nonzero(light > _SEEN))
        self._lost += int(np.count_nonzero((light > _SEEN) & (ours < _HOLE * light)))
        here, ideal, true = (mu_law(luminance(np.clip(one, 0, 1))) for one in (found, oracle, known))
        self._alternation.add(here, true, rank)
        if self._last is not None and self._last[0] == instant - 1:
            _, was, was_ideal, was_true = self._last
            flow, mask = self._motion(instant - 1, was_true, true)
            self._changes.append(metrics.warping_error(was, here, flow, mask))
            self._oracle_changes.append(metrics.warping_error(was_ideal, ideal, flow, mask))
        self._last = instant, here, ideal, true

    def score(self, method: str) -> HdrScore:
        """Score all that was added."""
        flicker, oracle = (
            255 * math.sqrt(metrics.mean(changes)) for changes in (self._changes, self._oracle_changes)
        )
        return HdrScore(
            method,
            len(self._mu),
            psnr_mu=_decibels(1.0, self._mu),
            pu21_psnr=_decibels(_PU21_WHITE, self._pu),
            pu21_ssim=float(np.mean(self._ssim)),
            holes=self._lost / max(self._seen, 1),
            flicker=flicker,
            flicker_ratio=flicker / oracle if oracle > 0 else math.nan,
            alternation=float(np.mean(self._alternation.afo())),
            alternation_global=self._alternation.afo_global(),
        )


def _decibels(peak: float, mean_squares: Sequence[float]) -> float:
    error = float(np.mean(mean_squares))
    return 10 * math.log10(peak**2 / error) if error > 0 else math.inf


def _mean_square(one: Radiance, other: Radiance) -> float:
    return float(np.mean(np.square(one - other), dtype=np.float64))
