"""How far the camera moved between two photographs of different exposure: measured before anything is resampled.

Corners of the one are looked for in the other (Lucas and Kanade's tracker, there and back) in pictures of local
contrast, in which an exposure cancels: the logarithm of luma turns its factor into a constant, and a local mean takes
that away. What is clipped or black in either picture has no corners. A similarity that most tracks follow is the
camera's motion, unless more of them say that nothing moved: then it is something in the scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Map, Plane

Matrix = npt.NDArray[np.float64]  # 3 x 3
Points = npt.NDArray[np.float32]  # (n, 2), x and y

LONG_SIDE = 1600  # pixels at which displacement is measured; an error of 0.02 there is 0.05 of 12 megapixels
_CORNERS = 1500
_MIN_COUNT = 16  # tracks in agreement
_WINDOW = 21  # pixels of a corner that are compared
_LEVELS = 5  # octaves: up to about 150 pixels
_CLOSE = 2  # the same once it is known about where to look
_BACK = 0.4  # pixels by which a track may miss its beginning
_INLIER = 1.2  # pixels from the motion of the camera
_AGREE = 0.25  # share of the tracks that has to follow it
_STILL = 0.5  # share of them that may be nearer to standing still
_CLIPPED, _BLACK = 0.97, 0.012  # luma
_USABLE = 0.98  # share of a window that has to be neither
_BLUR = 8.0  # sigma in pixels of what is local
_WEAK = 0.06  # contrast in log2 that is not raised any more
_FLOOR = 0.01  # of luma, so that noise near black is no contrast
_GRID = 6  # cells along each side, so that no rich texture outvotes the rest
_PARALLAX = 2.0  # pixels from the homography: more is not the camera turning
_BETTER = 0.9  # times the difference of the pictures as they are: motion that gains less is not believed
_MOVED_APART = 0.2  # share of the cells in which it is, from which on no homography does


@dataclass(frozen=True, slots=True, eq=False)
class Displacement:
    """Motion of the camera between two photographs.

    Args:
        homography: (3, 3) where a place of the reference lies in the other photograph, in pixels of the photographs.
        pixels: by how much the picture moved, mean over its area.
        apart: things at different distance moved by different amounts: one homography does not do.
    """

    homography: Matrix
    pixels: float
    apart: bool


class Contrast:
    """A photograph as the measurement sees it.

    Args:
        picture: (H, W, 3) R'G'B' or (H, W) grey; uint8 or uint16.
    """

    def __init__(self, picture: npt.NDArray[Any]) -> None:
        height, width = picture.shape[:2]
        self.scale = max(1.0, max(height, width) / LONG_SIDE)
        size = max(1, round(width / self.scale)), max(1, round(height / self.scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if self.scale > 1 else picture
        # Green is the sharpest channel of most cameras, and the first to clip.
        green = small if small.ndim == 2 else small[..., 1]
        luma = green.astype(np.float32) / np.float32(np.iinfo(picture.dtype).max)
        level: Map = np.log2(luma + np.float32(_FLOOR)).astype(np.float32)
        detail = level - cv2.GaussianBlur(level, (0, 0), _BLUR)
        strength = cv2.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), _BLUR)) + np.float32(_WEAK)
        self.bytes: Plane = np.clip(128 + 48 * detail / strength, 0, 255).astype(np.uint8)
        seen = ((luma > _BLACK) & (luma < _CLIPPED)).astype(np.float32)
        around = cv2.blur(seen, (_WINDOW, _WINDOW), borderType=cv2.BORDER_CONSTANT)
        self.usable: Plane = (around > _USABLE).astype(np.uint8)


def displacement(reference: Contrast, other: Contrast) -> Displacement | None:
    """Motion of the camera from one photograph to another; None where the two show too little in common."""
    corners = cv2.goodFeaturesToTrack(reference.bytes, _CORNERS, 0.02, 6, mask=reference.usable, blockSize=7)
    if corners is None or len(corners) < _MIN_COUNT:
        return None
    places = corners.reshape(-1, 2)
    begin, end = _tracks(reference, other, places, places, _LEVELS)
    motion = _similarity(begin, end)
    if motion is None:
        return None
    size = reference.bytes.shape[1], reference.bytes.shape[0]
    if _stands_still(begin, end, motion, size):
        motion = np.eye(3)
    else:  # again, from where it leads: the corners that were lost are found
        begin, end = _tracks(reference, other, places, _moved(places, motion).astype(np.float32), _CLOSE)
        motion = _similarity(begin, end)
        if motion is None:
            return None
        motion = _refined(begin, end, motion, size)
    if _difference(reference, other, motion) > _BETTER * _difference(reference, other, np.eye(3)):
        motion = np.eye(3)
    missed = np.linalg.norm(_moved(begin, motion) - end, axis=1) > _PARALLAX
    apart = _share_of_cells(begin, missed, size) > _MOVED_APART
    up = np.diag([reference.scale, reference.scale, 1.0])
    grid = np.stack(np.meshgrid(*(np.linspace(0, side - 1, 9) for side in size)), -1).reshape(-1, 2)
    pixels = reference.scale * float(np.linalg.norm(_moved(grid, motion) - grid, axis=1).mean())
    return Displacement(up @ motion @ np.linalg.inv(up), pixels, apart)


def _similarity(begin: Points, end: Points) -> Matrix | None:
    """Give the similarity that enough of the tracks follow; None if there is none."""
    if len(begin) < _MIN_COUNT:
        return None
    found, follows = cv2.estimateAffinePartial2D(
        begin, end, method=cv2.RANSAC, ransacReprojThreshold=_INLIER, maxIters=3000, confidence=0.999
    )
    if found is None or follows.sum() < max(_MIN_COUNT, _AGREE * len(begin)):
        return None
    return np.vstack([found, [0, 0, 1]])


def _tracks(
    reference: Contrast, other: Contrast, corners: Points, near: Points, levels: int
) -> tuple[Points, Points]:
    """Tell where corners of the reference lie in it and in the other, as far as the way back leads there again.

    Args:
        corners: of the reference.
        near: where each is looked for, at `levels` octaves first.
    """
    settings: dict[str, Any] = {
        "winSize": (_WINDOW, _WINDOW),
        "maxLevel": levels,
        "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
        "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01),
    }
    there, found, _ = cv2.calcOpticalFlowPyrLK(reference.bytes, other.bytes, corners, near.copy(), **settings)
    back, again, _ = cv2.calcOpticalFlowPyrLK(
        other.bytes, reference.bytes, there, (corners + there - near).astype(np.float32), **settings
    )
    height, width = other.usable.shape
    columns, rows = np.rint(there).astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    seen = np.zeros(len(there), bool)
    seen[inside] = other.usable[rows[inside], columns[inside]] > 0
    sure = (found.ravel() > 0) & (again.ravel() > 0) & seen
    sure &= np.linalg.norm(back - corners, axis=1) < _BACK
    return corners[sure], there[sure]


def _stands_still(begin: Points, end: Points, motion: Matrix, size: tuple[int, int]) -> bool:
    """Tell whether in more of the picture tracks are nearer to where they began than to where `motion` leads."""
    still = np.linalg.norm(end - begin, axis=1) < np.linalg.norm(_moved(begin, motion) - end, axis=1)
    return _share_of_cells(begin, still, size) > _STILL


def _difference(reference: Contrast, other: Contrast, motion: Matrix) -> float:
    """Mean difference of the two, where both are usable, once the other is seen from where the reference was taken."""
    size = reference.bytes.shape[1], reference.bytes.shape[0]
    back = cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(other.bytes, motion, size, flags=cv2.INTER_CUBIC | back)
    usable = cv2.warpPerspective(other.usable, motion, size, flags=cv2.INTER_NEAREST | back)
    return float(cv2.mean(cv2.absdiff(reference.bytes, seen), mask=usable & reference.usable)[0])


def _refined(begin: Points, end: Points, motion: Matrix, size: tuple[int, int]) -> Matrix:
    """Give a homography, where tracks are in enough of the picture to tell one from a similarity."""
    near = np.linalg.norm(_moved(begin, motion) - end, axis=1) < 3 * _INLIER
    cells = {tuple(cell) for cell in _cells(begin[near], size)}
    if near.sum() < 4 * _MIN_COUNT or len(cells) < _GRID * _GRID // 3:
        return motion
    homography, _ = cv2.findHomography(
        begin[near], end[near], cv2.RANSAC, _INLIER, maxIters=3000, confidence=0.999
    )
    return motion if homography is None else np.asarray(homography, np.float64)


def _moved(points: npt.NDArray[Any], motion: Matrix) -> npt.NDArray[np.float64]:
    moved = cv2.perspectiveTransform(np.asarray(points, np.float64).reshape(-1, 1, 2), motion)
    return np.asarray(moved.reshape(-1, 2), np.float64)


def _cells(points: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[np.int64]:
    return np.minimum(np.asarray(points / np.array(size) * _GRID).astype(np.int64), _GRID - 1)


def _share_of_cells(points: Points, what: npt.NDArray[np.bool_], size: tuple[int, int]) -> float:
    """Mean over the cells of the picture of the share of their points for which `what` is true."""
    numbers = _cells(points, size) @ np.array([1, _GRID])
    counts = np.bincount(numbers, minlength=_GRID * _GRID)
    found = np.bincount(numbers, weights=what.astype(np.float64), minlength=_GRID * _GRID)
    there = counts > 0
    return float((found[there] / counts[there]).mean())


def measured(pictures: Sequence[npt.NDArray[Any]], reference: int) -> list[Displacement | None]:
    """Motion of the camera from one of N photographs to each, which are sorted by brightness; None: cannot be told.

    A photograph that shares too little with the reference is measured against its neighbour on the way there.
    """
    seen = [Contrast(picture) for picture in pictures]
    out: list[Displacement | None] = [None] * len(pictures)
    out[reference] = Displacement(np.eye(3), 0.0, False)
    for place in sorted(range(len(pictures)), key=lambda place: abs(place - reference)):
        if place == reference:
            continue
        out[place] = displacement(seen[reference], seen[place])
        between = place + (1 if place < reference else -1)
        first = out[between]
        if out[place] is None and between != reference and first is not None:
            rest = displacement(seen[between], seen[place])
            if rest is not None:
                whole = rest.homography @ first.homography
                corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * pictures[0].shape[1::-1]
                pixels = float(np.linalg.norm(_moved(corners, whole) - corners, axis=1).mean())
                out[place] = Displacement(whole, pixels, first.apart or rest.apart)
    return out
