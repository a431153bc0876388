"""The moving scene as linear radiance.

Two pictures larger than the frame are painted once: the view outside, and the room with a hole for the
window. A frame is a warped crop of both plus a few moving objects, so rendering is quick and the motion is
exactly known. Radiance is linear RGB with BT.709 primaries; 1.0 is the brightest cloud, deep shadows are
below 0.001, and the sun itself is far above 1.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.synthetic.paint import Image, Point
from streamfuse.synthetic.room import paint_room
from streamfuse.synthetic.rows import lay_over
from streamfuse.synthetic.sprites import balloon, beach_ball, lantern
from streamfuse.synthetic.view import paint_outside

MARGIN = 0.14  # of the frame size that the painted pictures reach beyond it on each side


class Scene:
    """Everything that is painted once for one frame size.

    Args:
        width, height: frame size in pixels.
        seed: arranges books, clouds, ridges and textures.
    """

    def __init__(self, width: int, height: int, seed: int) -> None:
        self.width, self.height = width, height
        rng = np.random.default_rng(seed)
        size = round(height * (1 + 2 * MARGIN)), round(width * (1 + 2 * MARGIN))
        # A fourth channel that is never read: OpenCV warps four in a third of the time that three take.
        self._outside = np.asarray(cv2.cvtColor(paint_outside(size, rng), cv2.COLOR_RGB2RGBA), np.float32)
        self._room = paint_room(size, rng)
        self._balloons = (
            balloon(_side(0.20, height), ((0.80, 0.10, 0.05), (0.90, 0.62, 0.10))),
            balloon(_side(0.12, height), ((0.08, 0.22, 0.60), (0.85, 0.85, 0.85))),
        )
        self._lantern = lantern(_side(0.38, height))
        self._ball = beach_ball(_side(0.19, height))

    def camera(self, seconds: float) -> npt.NDArray[np.float64]:
        """(2, 3) affine map from frame pixels to pixels of the room picture: a slow pan and a shaky hand."""
        pan = 0.085 * self.width * math.sin(2 * math.pi * seconds / 7.0)
        shake_x = 0.0045 * math.sin(7.1 * seconds) + 0.0025 * math.sin(17.3 * seconds + 1)
        shake_y = 0.0060 * math.sin(5.3 * seconds + 2) + 0.0025 * math.sin(21.7 * seconds)
        angle = 0.0045 * math.sin(3.7 * seconds) + 0.0012 * math.sin(14.9 * seconds)
        zoom = 1.0 + 0.012 * math.sin(1.3 * seconds)
        cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
        x, y = (self.width - 1) / 2, (self.height - 1) / 2
        center_x = (self._room.shape[1] - 1) / 2 + pan + shake_x * self.height
        center_y = (self._room.shape[0] - 1) / 2 + shake_y * self.height
        return np.array([[cos, -sin, center_x - cos * x + sin * y], [sin, cos, center_y - sin * x - cos * y]])

    def radiance(self, seconds: float) -> Image:
        """(height, width, 3) linear radiance at this time."""
        camera = self.camera(seconds)
        far = self._far(camera)
        picture = self._warp(self._outside, far)
        for sprite, x, y, angle in self._beyond(seconds):
            _stamp(picture, sprite, _place(far, x, y, self._outside), angle)
        lay_over(picture, self._warp(self._room, camera), 0, 0)
        for sprite, x, y, angle in self._inside(seconds):
            _stamp(picture, sprite, _place(camera, x, y, self._room), angle)
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB), np.float32)

    def _far(self, camera: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Give the camera as the distant view sees it: it moves half as far."""
        center = (np.array(self._room.shape[1::-1]) - 1) / 2
        middle = camera @ np.array([(self.width - 1) / 2, (self.height - 1) / 2, 1.0])
        far = camera.copy()
        far[:, 2] -= 0.5 * (middle - center)
        return far

    def _warp(self, picture: Image, camera: npt.NDArray[np.float64]) -> Image:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.width, self.height)
        return np.asarray(cv2.warpAffine(picture, camera, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))

    def _beyond(self, seconds: float) -> list[tuple[Image, float, float, float]]:
        """(sprite, x, y, angle) of what moves outside; x and y in shares of the painted picture."""
        big, small = self._balloons
        return [
            (small, 0.49 + 0.010 * seconds, 0.36 - 0.006 * seconds, 0.0),
            (big, 0.43 + 0.030 * seconds, 0.42 - 0.016 * seconds, 0.03 * math.sin(2 * seconds)),
        ]

    def _inside(self, seconds: float) -> list[tuple[Image, float, float, float]]:
        """(sprite, x, y, angle) of what moves in the room."""
        swing = 0.34 * math.sin(2.3 * seconds)
        aspect = self._room.shape[0] / self._room.shape[1]
        lantern = (0.405 + 0.24 * math.sin(swing) * aspect, 0.24 * math.cos(swing) - 0.02)
        travel = 0.5 - 0.36 * math.cos(2 * math.pi * seconds / 9.0)
        hop = abs(math.sin(2.9 * seconds))
        return [
            (self._lantern, lantern[0], lantern[1], -swing),
            (self._ball, travel, 0.80 - 0.30 * hop, 14.0 * travel),
        ]


@lru_cache(maxsize=2)
def scene(width: int, height: int, seed: int) -> Scene:
    """Give the scene of this size, painted once."""
    return Scene(width, height, seed)


def _side(share: float, height: int) -> int:
    """Side of a sprite in pixels, for a share of the frame height."""
    return max(8, round(share * height))


def _place(camera: npt.NDArray[np.float64], x: float, y: float, picture: Image) -> Point:
    """Frame pixel at which a point, in shares of the painted picture, is seen."""
    point = np.array([x * picture.shape[1], y * picture.shape[0]]) - camera[:, 2]
    found = np.linalg.solve(camera[:, :2], point)
    return float(found[0]), float(found[1])


def _stamp(picture: Image, sprite: Image, center: Point, angle: float) -> None:
    """Blend a sprite, turned by `angle` radians, into the picture, in place and to a fraction of a pixel."""
    size = sprite.shape[0]
    reach = math.ceil(size * 0.75)
    left, top = math.floor(center[0]) - reach, math.floor(center[1]) - reach
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = center[0] - left, center[1] - top
    half = (size - 1) / 2
    turn = np.array([[cos, -sin, x - cos * half + sin * half], [sin, cos, y - sin * half - cos * half]])
    turned = cv2.warpAffine(sprite, turn, (2 * reach, 2 * reach))
    lay_over(picture, np.asarray(turned, np.float32), left, top)
