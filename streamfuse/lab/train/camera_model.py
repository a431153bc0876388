"""What cameras, and alignment after them, make of clean exposures: noise, softness, compression, motion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.lab.evaluate.radiance_clips import GAMMA

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class MovingFrames:
    """Two instants seen by a moving camera, float32 in [0, 1].

    Args:
        clean: (N, H, W), the first without noise.
        first, second: (N, H, W).
        motion: (3, 3), homography from pixels (x, y, 1) of the first to those of the second.
    """

    clean: Array
    first: Array
    second: Array
    motion: Array


def degrade(exposures: Array, rng: np.random.Generator) -> Array:
    """Now and then what real brackets suffer: JPEG compression, or one exposure off by up to a pixel."""
    if rng.random() < 0.15:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 96))]
        codes = [cv2.imencode(".jpg", np.rint(e * 255).astype(np.uint8), quality)[1] for e in exposures]
        decoded = [cv2.imdecode(code, cv2.IMREAD_GRAYSCALE) for code in codes]
        exposures = np.stack([np.asarray(d, np.float32) / 255 for d in decoded])
    if rng.random() < 0.15:
        which = int(rng.integers(len(exposures)))
        shift = np.array([[1, 0, rng.uniform(-1, 1)], [0, 1, rng.uniform(-1, 1)]], np.float32)
        height, width = exposures.shape[1:]
        exposures = exposures.copy()
        exposures[which] = cv2.warpAffine(
            exposures[which], shift, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
    return exposures


def two_frames(exposures: Array, seed: int | np.random.Generator) -> tuple[Array, Array]:
    """Two neighbouring frames (N, H, W) of a still scene, as alignment delivers them.

    A frame's own exposure is sharp and all others are softened by the resampling of a sub-pixel motion; in the next
    frame it is another exposure that is sharp. Both have noise of their own.
    """
    rng = np.random.default_rng(seed)
    sharp = rng.permutation(len(exposures))[:2]
    amount = rng.uniform(0.1, 0.5, 2)
    first, second = (
        with_noise(np.stack([e if n == own else _soften(e, amount) for n, e in enumerate(exposures)]), rng)
        for own in sharp
    )
    return first, second


def moving_frames(exposures: Array, amount: float, rng: np.random.Generator) -> MovingFrames:
    """Two neighbouring instants of a still scene that a moving camera films, as alignment delivers them.

    Both views are homographies: the corners of what is seen lie inside those of the scene by up to `amount` of a side.
    The reference of an instant is its own shot. The others are shots of the other instant, warped along the known
    motion; at the border, which the other view does not hold, they are of their own instant too. In the second instant
    another exposure is the reference: under, over becomes over, under.

    Args:
        exposures: (N, H, W) in [0, 1].
        amount: from 0, where the camera is still, to below 0.5.
        rng: noise and views are drawn from it.
    """
    height, width = exposures.shape[1:]
    views = [_view(height, width, amount, rng) for _ in range(2)]
    clean = [np.stack([_warp(e, view) for e in exposures]) for view in views]
    shots = [with_noise(c, rng) for c in clean]
    motion = views[1] @ np.linalg.inv(views[0])
    reference = rng.permutation(len(exposures))[:2]
    first = _instant(shots[0], shots[1], np.linalg.inv(motion), reference[0])
    second = _instant(shots[1], shots[0], motion, reference[1])
    return MovingFrames(clean[0], first, second, (motion / motion[2, 2]).astype(np.float32))


def _view(height: int, width: int, amount: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """From pixels of the scene to pixels of a frame of the same size."""
    last = np.array([width - 1, height - 1])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    inward = (1 - 2 * corners) * rng.uniform(0, amount, (4, 2))
    seen, frame = ((c * last).astype(np.float32) for c in (corners + inward, corners))
    return np.asarray(cv2.getPerspectiveTransform(seen, frame), np.float64)


def _instant(own: Array, others: Array, motion: npt.NDArray[np.float64], reference: int) -> Array:
    """(N, H, W): the reference from `own`, all else from `others`, moved, and from `own` where those show nothing."""
    frames = own.copy()
    for n, shot in enumerate(others):
        if n != reference:
            frames[n] = _quantise(_warp(shot, motion, own[n]))
    return frames


def _warp(picture: Array, homography: npt.NDArray[np.float64], beyond: Array | None = None) -> Array:
    """Moved by a homography, bilinear; outside of the picture `beyond`, or its border repeated."""
    size = picture.shape[::-1]
    if beyond is None:
        moved = cv2.warpPerspective(picture, homography, size, borderMode=cv2.BORDER_REPLICATE)
    else:
        moved = cv2.warpPerspective(
            picture, homography, size, dst=beyond.copy(), borderMode=cv2.BORDER_TRANSPARENT
        )
    return np.asarray(moved, np.float32)


def with_noise(clean: Array, rng: np.random.Generator) -> Array:
    """Camera noise on developed pictures: Gaussian, stronger in the shadows as after a gamma curve."""
    sigma = rng.uniform(0.5, 4.0) / 255
    noise = rng.standard_normal(clean.shape, np.float32) * np.float32(sigma)
    return _quantise(clean + noise * (1.3 - 0.6 * clean))


def _soften(picture: Array, amount: npt.NDArray[np.float64]) -> Array:
    """Bilinear resampling by a fraction of a pixel in x and y, there and back: it loses sharpness and moves nothing."""
    taps = [np.array([a * (1 - a), a * a + (1 - a) ** 2, a * (1 - a)], np.float32) for a in amount]
    return np.asarray(cv2.sepFilter2D(picture, -1, *taps, borderType=cv2.BORDER_REPLICATE), np.float32)


def _quantise(x: Array) -> Array:
    return (np.round(x.clip(0, 1) * 255) / 255).astype(np.float32)


def develop(linear: Array) -> Array:
    """Clip, gamma, 8 bit."""
    return _quantise(linear.clip(0, 1) ** np.float32(1 / GAMMA))
