"""Measures of one fused photograph that need no reference but its exposures: noise gain and halo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Rgb

Grey = npt.NDArray[np.float32]  # (H, W) in [0, 1]
Mask = npt.NDArray[np.bool_]

NOISE_CODES = 3.0  # standard deviation of the noise that is added, in 8-bit code values
_FLAT_CODES = 2.0  # local standard deviation of the smoothed exposures, below which a place is flat
_USABLE = (0.05, 0.95)  # an exposure outside says nothing of its noise: it is clipped
_MIN_COUNT = 500  # flat pixels, or edge sides, below which the figure would be chance

_EDGE_SIGMA = 2.0  # pixels
_EDGE_SLOPE = 0.04  # per pixel after smoothing: a step of about 0.2
_NEAR = 5  # pixels from the edge, where the smoothed step has ended
_FAR = (12, 24, 48)  # pixels from the edge


def grey(rgb: Rgb) -> Grey:
    """BT.601 luma as 8-bit code values / 255: what the published MEF-SSIM figures are measured on."""
    return np.asarray(
        cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY) / np.float32(255), np.float32
    )


def flat_areas(exposures: Sequence[Grey]) -> Mask:
    """(H, W): where every exposure is flat over 7x7 pixels, and at least one is neither black nor clipped."""
    flat = np.ones(exposures[0].shape, np.bool_)
    usable = np.zeros(exposures[0].shape, np.bool_)
    for exposure in exposures:
        smooth = cv2.GaussianBlur(exposure, (0, 0), 1.5)
        mean = cv2.blur(smooth, (7, 7))
        variance = cv2.blur(smooth * smooth, (7, 7)) - mean * mean
        flat &= variance < (_FLAT_CODES / 255) ** 2
        usable |= (mean > _USABLE[0]) & (mean < _USABLE[1])
    return flat & usable


def add_noise(exposures: Sequence[Rgb], seed: int = 0) -> list[Rgb]:
    """Give every exposure with grey Gaussian noise of its own, `NOISE_CODES` strong, rounded and clipped to 8 bit."""
    rng = np.random.default_rng(seed)
    noisy = []
    for rgb in exposures:
        noise = rng.standard_normal((*rgb.shape[:2], 1), dtype=np.float32) * np.float32(NOISE_CODES)
        noisy.append(np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8))
    return noisy


def noise_gain(
    fuse: Callable[[Sequence[Rgb]], Rgb], noisy: Sequence[Rgb], fused: Grey, flat: Mask
) -> float | None:
    """Tell how much of the exposures' noise a fusion F lets through in flat areas.

    rms over the flat pixels of Y(F(E + n)) - Y(F(E)), divided by the standard deviation of n. One exposure passed on
    gives 1, the mean of N gives 1 / sqrt(N); contrast that is raised raises it, denoising lowers it.

    Args:
        fuse: F.
        noisy: E + n, from `add_noise`.
        fused: Y(F(E)).
        flat: from `flat_areas`.

    Returns:
        >= 0; None where hardly anything is flat.
    """
    if int(flat.sum()) < _MIN_COUNT:
        return None
    change = (grey(fuse(noisy)) - fused)[flat] * 255
    return float(np.sqrt(np.mean(np.square(change, dtype=np.float64)))) / NOISE_CODES


def halo(exposures: Sequence[Grey], fused: Grey) -> float | None:
    """Overshoot along strong edges, in 8-bit code values: what fusion adds beside an edge that no exposure has.

    Edges are ridges of the gradient of the exposures' mean, smoothed by 2 px. From every edge pixel p, to both sides
    along its normal n, the picture just beside the edge is compared with the picture further away:

        excess = max over far of |f(p + near n) - f(p + far n)| - max over k of |e_k(p + near n) - e_k(p + far n)|

    with near = 5 and far = 12, 24, 48 pixels, f the fused and e_k the exposures' luma, all smoothed alike. A fusion
    that follows its sources has excess <= 0; a bright or dark seam along the edge, or its wide glow, counts with its
    height. The figure is the mean of max(excess, 0) over all edge sides.

    Returns:
        >= 0; None for pictures with hardly any strong edge.
    """
    smooth = [cv2.GaussianBlur(e, (0, 0), _EDGE_SIGMA) for e in exposures]
    target = cv2.GaussianBlur(fused, (0, 0), _EDGE_SIGMA)
    points, normals = _edges(np.mean(smooth, axis=0, dtype=np.float32))
    excesses = []
    for side in (-1, 1):
        near = _sample_at(points, normals * (side * _NEAR))
        worst = np.full(len(points), -1.0)
        for distance in _FAR:
            far = _sample_at(points, normals * (side * distance))
            inside = _inside(far, fused.shape) & _inside(near, fused.shape)
            own = np.abs(_values(target, near) - _values(target, far))
            theirs = np.max([np.abs(_values(s, near) - _values(s, far)) for s in smooth], axis=0)
            worst = np.where(inside, np.maximum(worst, own - theirs), worst)
        excesses.append(np.maximum(worst[worst > -1], 0))
    found = np.concatenate(excesses)
    return float(found.mean()) * 255 if len(found) >= _MIN_COUNT else None


def _edges(picture: Grey) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(n, 2) positions (y, x) of ridges of the gradient, and their unit normals."""
    dy = cv2.Sobel(picture, cv2.CV_32F, 0, 1, ksize=3) / 8
    dx = cv2.Sobel(picture, cv2.CV_32F, 1, 0, ksize=3) / 8
    slope = np.hypot(dy, dx)
    points = np.argwhere(slope > _EDGE_SLOPE).astype(np.float32)
    rows, columns = points.astype(int).T
    strength = slope[rows, columns]
    normals = np.stack([dy[rows, columns], dx[rows, columns]], axis=1) / strength[:, None]
    ridge = np.ones(len(points), np.bool_)
    for side in (-1, 1):
        ridge &= strength >= _values(slope, _sample_at(points, normals * side))
    return points[ridge], normals[ridge]


def _sample_at(points: npt.NDArray[np.float32], offsets: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Nearest pixels: the pictures are smooth."""
    return np.rint(points + offsets).astype(np.int64)


def _inside(points: npt.NDArray[np.int64], shape: tuple[int, ...]) -> Mask:
    return np.asarray(((points >= 0) & (points < np.array(shape[:2]))).all(axis=1))


def _values(picture: Grey, points: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    height, width = picture.shape
    return picture[np.clip(points[:, 0], 0, height - 1), np.clip(points[:, 1], 0, width - 1)]
