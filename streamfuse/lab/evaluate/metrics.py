"""Measures of fidelity, ghosts, flicker and motion, on luma in [0, 1] unless said otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.float32]  # (H, W)
Flow = npt.NDArray[np.float32]  # (H, W, 2): x + flow[y, x] is where the pixel (x, y) is in the other picture
Mask = npt.NDArray[np.bool_]  # (H, W)

CODE_VALUES = 255.0  # flicker and errors are told in 8-bit code values
_SSIM_WINDOW = 11  # pixels a side


def psnr(picture: Luma, reference: Luma, *, mask: Mask | None = None) -> float:
    """Peak signal to noise ratio in dB: 10 log10(1 / mean((picture - reference)^2)).

    Args:
        picture, reference: arrays of one shape, any number of channels, in [0, 1].
        mask: (H, W) bool; only these pixels count.

    Returns:
        dB; infinity for equal pictures, NaN where the mask is empty.
    """
    error = _difference(picture, reference)
    if mask is not None:
        error = error[mask]
    if error.size == 0:
        return float("nan")
    mean_square = float(np.mean(np.square(error, dtype=np.float64)))
    return float("inf") if mean_square == 0 else -10 * float(np.log10(mean_square))


def ssim(picture: Luma, reference: Luma, *, data_range: float = 1.0) -> float:
    """Structural similarity, mean over the picture, after Wang et al. 2004 ("Image quality assessment").

    Gaussian window 11x11, sigma 1.5, K1 = 0.01, K2 = 0.03, population moments; windows that leave the picture
    are not counted. It is computed by scikit-image, see `left_out`.

    Args:
        picture, reference: (H, W).
        data_range: largest value minus smallest value that the pictures can have.

    Returns:
        1.0 for equal pictures, lower otherwise; NaN for pictures smaller than the window, and without scikit-image.
    """
    if min(picture.shape) < _SSIM_WINDOW or left_out():
        return float("nan")
    from skimage.metrics import structural_similarity

    x, y = (np.asarray(array, np.float64) for array in (picture, reference))  # whose type is that of the sums
    return float(
        structural_similarity(
            x, y, data_range=data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def left_out() -> str:
    """Say which figures this installation cannot measure, and what to install; nothing where it can measure all."""
    if find_spec("skimage") is not None:
        return ""
    return "SSIM and CIEDE2000 are left out without scikit-image: pip install 'streamfuse[evaluate]'."


def error_percentile(
    picture: Luma, reference: Luma, *, percent: float = 99.0, mask: Mask | None = None
) -> float:
    """Percentile of |picture - reference| in the mask, in 8-bit code values: how bad the worst ghosts are.

    Args:
        picture, reference: (H, W) in [0, 1].
        percent: 0..100.
        mask: (H, W) bool; only these pixels count.

    Returns:
        0..255; NaN where the mask is empty.
    """
    error = np.abs(_difference(picture, reference))
    if mask is not None:
        error = error[mask]
    return float(np.percentile(error, percent)) * CODE_VALUES if error.size else float("nan")


def motion_mask(
    now: Sequence[Luma], then: Sequence[Luma], *, threshold: float = 10 / 255, grow: int = 3
) -> Mask:
    """Tell where the scene differs between two instants, from pictures of the same exposures at both.

    A pixel moves where any exposure changes by more than `threshold`; the mask is then opened by 2x2 pixels
    against noise and grown by `grow` pixels, since a ghost reaches beyond the edge that causes it.

    Args:
        now, then: the same exposures (H, W) in [0, 1] at the two instants.
        threshold: smallest change that is motion and not noise.
        grow: pixels.

    Returns:
        (H, W) bool.
    """
    moved = np.zeros(now[0].shape, np.bool_)
    for current, other in zip(now, then, strict=True):
        moved |= np.abs(_difference(current, other)) > threshold
    side = 2 * grow + 1
    opened = cv2.morphologyEx(moved.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return np.asarray(cv2.dilate(opened, np.ones((side, side), np.uint8)) > 0).reshape(moved.shape)


class AlternationFlicker:
    """Flicker at the rate of the exposure cycle: AFo against an oracle, AFi without a reference.

    AFo = |mean_t c_t B(Y_t - Y*_t)| for every block of 16x16 pixels, where B is the block mean, Y the fused
    and Y* the oracle's luma and c_t = exp(2 pi i rank_t / cycle), which is (-1)^t for two exposures. A
    difference that is constant in time cancels; one that swaps with the exposures does not.

    AFi = 100 |mean_t c_t d_t| / (2 mean_t m_t) with d_t = m_t - (m_(t-1) + m_(t+1)) / 2 and m the mean luma:
    the amplitude of the global alternation in percent of the mean luma.

    Add the frames of one clip in order; it needs memory for two small arrays only.
    """

    def __init__(self, cycle: int = 2, *, block: int = 16) -> None:
        """`cycle`: number of exposures; `block`: side of a block in pixels."""
        self._cycle = cycle
        self._block = block
        self._sum: npt.NDArray[Any] | None = None
        self._plain: npt.NDArray[np.float64] | float = 0.0
        self._squares: npt.NDArray[np.float64] | float = 0.0
        self._means: list[float] = []
        self._carriers: list[complex] = []

    def add(self, fused: Luma, oracle: Luma, rank: int) -> None:
        """Take the next frame: (H, W) in [0, 1], and the rank of its reference exposure."""
        carrier = complex(np.exp(2j * np.pi * rank / self._cycle))
        means = _block_means(_difference(fused, oracle), self._block)
        blocks = means * carrier
        self._sum = blocks if self._sum is None else self._sum + blocks
        self._plain, self._squares = self._plain + means, self._squares + np.square(means)
        self._means.append(float(np.mean(fused, dtype=np.float64)))
        self._carriers.append(carrier)

    def afo(self) -> npt.NDArray[np.float64]:
        """AFo of every block (rows, columns) in 8-bit code values; empty before the first frame."""
        if self._sum is None:
            return np.zeros((0, 0))
        return np.asarray(np.abs(self._sum) * CODE_VALUES / len(self._means))

    def chance(self) -> float:
        """Mean AFo of the blocks that as large errors give which do not alternate; NaN with fewer than two frames.

        That is sqrt(2 / pi) s / sqrt(n), with s the standard deviation of a block's difference over n frames: the
        mean magnitude of a mean whose signs are drawn by lot.
        """
        count = len(self._means)
        if count < 2:
            return float("nan")
        variance = np.maximum(self._squares - np.square(self._plain) / count, 0.0) / (count - 1)
        return float(np.sqrt(2 / np.pi * variance / count).mean()) * CODE_VALUES

    def afo_global(self) -> float:
        """AFo of the mean of all blocks, in 8-bit code values: what the whole picture does."""
        if self._sum is None:
            return float("nan")
        return float(abs(self._sum.mean())) * CODE_VALUES / len(self._means)

    def afi(self) -> float:
        """AFi in percent; NaN with fewer than three frames or in a black clip."""
        means = np.array(self._means)
        if len(means) < 3 or means.mean() == 0:
            return float("nan")
        deviation = means[1:-1] - (means[:-2] + means[2:]) / 2
        return float(100 * abs(np.mean(np.array(self._carriers[1:-1]) * deviation)) / (2 * means.mean()))


def ripple(means: Sequence[float]) -> float:
    """Tell how much the mean luma jumps from frame to frame: 100 rms_t(d_t) / mean_t(m_t), in percent.

    d_t = m_t - (m_(t-1) + m_(t+1)) / 2: flicker and pumping count whatever their period, a slow drift does not.

    Args:
        means: mean luma m_t of consecutive frames.

    Returns:
        Percent; NaN with fewer than three frames or in a black clip.
    """
    m = np.asarray(means, np.float64)
    if len(m) < 3 or m.mean() == 0:
        return float("nan")
    deviation = m[1:-1] - (m[:-2] + m[2:]) / 2
    return float(100 * np.sqrt(np.mean(np.square(deviation))) / m.mean())


def dense_flow(
    now: npt.NDArray[np.uint8],
    then: npt.NDArray[np.uint8],
    *,
    preset: int = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
) -> Flow:
    """Motion between two 8-bit pictures (H, W) by OpenCV's DIS; none where they are too small for its pyramid."""
    still = np.zeros((*now.shape, 2), np.float32)
    if min(now.shape) < 16:
        return still
    return np.asarray(cv2.DISOpticalFlow.create(preset).calc(now, then, still), np.float32)


def warp(picture: npt.NDArray[Any], flow: Flow, interpolation: int = cv2.INTER_LINEAR) -> npt.NDArray[Any]:
    """Bring a picture back along the flow: result[p] = picture[p + flow[p]], bilinear, borders replicated."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    where = x + flow[..., 0], y + flow[..., 1]
    return np.asarray(cv2.remap(picture, *where, interpolation, None, cv2.BORDER_REPLICATE))


def consistent(forward: Flow, backward: Flow) -> Mask:
    """Pixels seen in both pictures and off motion boundaries, after Ruder et al. 2016.

    Seen: |f + b(p + f)|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5. Off boundaries: |grad u|^2 + |grad v|^2 <=
    0.01 |f|^2 + 0.002. Pixels whose target leaves the picture do not count.

    Args:
        forward: (H, W, 2) from this picture to the other.
        backward: (H, W, 2) from the other to this one.

    Returns:
        (H, W) bool.
    """
    height, width = forward.shape[:2]
    back = np.dstack([warp(np.ascontiguousarray(backward[..., axis]), forward) for axis in (0, 1)])
    length = _squared(forward)
    seen = _squared(forward + back) <= 0.01 * (length + _squared(back)) + 0.5
    gradient = sum(np.square(np.gradient(forward[..., axis])).sum(axis=0) for axis in (0, 1))
    x = np.arange(width) + forward[..., 0]
    y = np.arange(height)[:, None] + forward[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.asarray(seen & (gradient <= 0.01 * length + 0.002) & inside)


def warping_error(now: Luma, after: Luma, flow: Flow, mask: Mask) -> float:
    """Temporal warping error of Lai et al. 2018 (ECCV, section 4.2), one pair of frames.

    E = sum_p M(p) (V_t(p) - V_(t+1)(p + f(p)))^2 / sum_p M(p). Blur lowers it: tell it only beside fidelity.

    Args:
        now, after: (H, W) in [0, 1] at t and t + 1.
        flow: (H, W, 2) from t to t + 1.
        mask: (H, W) bool, True where not occluded (see `consistent`).

    Returns:
        Mean squared difference; NaN where the mask is empty.
    """
    error = np.square(_difference(now, warp(after, flow)), dtype=np.float64)[mask]
    return float(error.mean()) if error.size else float("nan")


def end_point_error(flow: Flow, truth: Flow, mask: Mask | None = None) -> tuple[float, float]:
    """Mean end-point error sqrt(du^2 + dv^2) (Baker et al. 2011), and the share of pixels over 3 px.

    Args:
        flow, truth: (H, W, 2).
        mask: (H, W) bool; only these pixels count (those whose true target is seen).

    Returns:
        (pixels, share in [0, 1]); NaN where the mask is empty.
    """
    error = np.sqrt(_squared(flow - truth))
    if mask is not None:
        error = error[mask]
    return (float(error.mean()), float((error > 3).mean())) if error.size else (float("nan"), float("nan"))


def mean(values: Iterable[float]) -> float:
    """Mean of what is a number: NaN (an empty mask) is left out; NaN where nothing is left."""
    numbers = [value for value in values if not np.isnan(value)]
    return float(np.mean(numbers)) if numbers else float("nan")


def _difference(
    picture: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    if picture.shape != reference.shape:
        raise ValueError(f"pictures must have one shape, got {picture.shape = } and {reference.shape = }")
    return np.asarray(picture, np.float32) - np.asarray(reference, np.float32)


def _block_means(values: npt.NDArray[np.float32], block: int) -> npt.NDArray[np.float64]:
    """Means of block x block pixels; what is left over at the right and below joins smaller blocks."""
    rows, columns = (np.arange(0, size, block) for size in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), rows, axis=0), columns, axis=1)
    heights, widths = (
        np.diff([*starts, size]) for starts, size in zip((rows, columns), values.shape, strict=True)
    )
    return np.asarray(sums / np.outer(heights, widths))


def _squared(flow: Flow) -> npt.NDArray[np.float32]:
    return np.asarray(np.square(flow).sum(axis=2))
