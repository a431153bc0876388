"""A camera that turns inside an HDR panorama: radiance frames with the exact optical flow between any two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.errors import UsageError
from streamfuse.lab.evaluate.metrics import Flow, Mask
from streamfuse.lab.evaluate.radiance_clips import Radiance, RadianceFrames, read_hdr

Pose = tuple[float, float, float]  # yaw (right), pitch (up), roll (clockwise), degrees
_Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MovingObject:
    """A flat elliptic picture in front of the panorama.

    Args:
        texture: (h, w, 3) float32 radiance; the ellipse fills it.
        start: where its centre is at instant 0, (x, y) in pixels.
        velocity: pixels per instant.
        acceleration: pixels per instant squared.
    """

    texture: Radiance
    start: tuple[float, float]
    velocity: tuple[float, float] = (0.0, 0.0)
    acceleration: tuple[float, float] = (0.0, 0.0)

    def centre(self, instant: int) -> npt.NDArray[np.float64]:
        """(x, y) at an instant: start + velocity t + acceleration t^2 / 2."""
        start, velocity, acceleration = map(np.array, (self.start, self.velocity, self.acceleration))
        return np.asarray(start + velocity * instant + acceleration * instant**2 / 2, np.float64)


class VirtualCamera(RadianceFrames):
    """A pinhole camera that only rotates, so that the flow of the background is a homography.

    `frame(t)` is what it sees at instant t; `flow(t, u)` and `visible(t, u)` are exact.
    """

    def __init__(
        self,
        panorama: Radiance,
        poses: Sequence[Pose],
        *,
        width: int = 320,
        height: int = 240,
        fov: float = 70.0,
        objects: Sequence[MovingObject] = (),
    ) -> None:
        """Place the camera.

        Args:
            panorama: (H, W, 3) float32, equirectangular, W = 2 H.
            poses: where the camera looks at each instant.
            width, height: of its pictures.
            fov: horizontal field of view in degrees, under 180.
            objects: what moves in front, the last one nearest.
        """
        if not 0 < fov < 180:
            raise UsageError(f"the field of view must be over 0 and under 180 degrees, got {fov}")
        self._panorama = panorama
        self._rotations = [_rotation(pose) for pose in poses]
        self._size = width, height
        self._focal = width / 2 / np.tan(np.radians(fov) / 2)
        self._objects = tuple(objects)

    def __len__(self) -> int:
        return len(self._rotations)

    def frame(self, index: int) -> Radiance:
        """(height, width, 3) float32 radiance."""
        rows, columns = self._panorama.shape[:2]
        x, y, z = np.moveaxis(self._rays() @ self._rotations[index].T, -1, 0)
        u = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * columns - 0.5
        v = (np.arctan2(y, np.hypot(x, z)) / np.pi + 0.5) * rows - 0.5
        where = u.astype(np.float32), v.astype(np.float32)
        picture = np.asarray(
            cv2.remap(self._panorama, *where, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP), np.float32
        )
        for thing in self._objects:
            texture, alpha = self._draw(thing, index)
            picture = picture + alpha[..., None] * (texture - picture)
        return picture

    def flow(self, now: int, then: int) -> Flow:
        """(height, width, 2) float32: where each pixel of `now` is at `then`, less where it is now."""
        turned = self._rays() @ (self._rotations[now].T @ self._rotations[then])
        depth = np.where(turned[..., 2:] > 1e-6, turned[..., 2:], np.nan)  # behind the camera: nowhere
        flow = turned[..., :2] / depth * self._focal + self._middle() - self._grid()
        owner = self._owner(now)
        for number, thing in enumerate(self._objects, start=1):
            flow[owner == number] = thing.centre(then) - thing.centre(now)
        return np.asarray(flow, np.float32)

    def visible(self, now: int, then: int) -> Mask:
        """(height, width) bool: the pixel of `now` is inside the picture and not covered at `then`."""
        target = self._grid() + np.nan_to_num(self.flow(now, then), nan=1e9)
        column, row = np.moveaxis(np.rint(np.clip(target, -1e6, 1e6)).astype(int), -1, 0)
        width, height = self._size
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        there = self._owner(then)[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        return np.asarray(inside & (there == self._owner(now)))

    def _middle(self) -> _Points:
        width, height = self._size
        return np.array([(width - 1) / 2, (height - 1) / 2])

    def _grid(self) -> _Points:
        width, height = self._size
        return np.dstack(np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float)))

    def _rays(self) -> _Points:
        flat = (self._grid() - self._middle()) / self._focal
        return np.dstack([flat, np.ones(flat.shape[:2])])

    def _draw(self, thing: MovingObject, instant: int) -> tuple[Radiance, npt.NDArray[np.float32]]:
        """Give the object in the picture's frame: (H, W, 3) radiance and (H, W) coverage."""
        rows, columns = thing.texture.shape[:2]
        x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
        ellipse = (x**2 + y**2 <= 1).astype(np.float32)
        dx, dy = thing.centre(instant) - np.array([(columns - 1) / 2, (rows - 1) / 2])
        shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        texture = cv2.warpAffine(thing.texture, shift, self._size, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(texture, np.float32), np.asarray(
            cv2.warpAffine(ellipse, shift, self._size), np.float32
        )

    def _owner(self, instant: int) -> npt.NDArray[np.int_]:
        """(H, W): 0 the panorama, n the n-th object."""
        owner = np.zeros(self._size[::-1], int)
        for number, thing in enumerate(self._objects, start=1):
            owner[self._draw(thing, instant)[1] > 0.5] = number
        return owner


def virtual_camera(
    panorama: Path | str,
    *,
    count: int = 12,
    pan: float = 0.4,
    shake: float = 0.1,
    tilt: float = 0.0,
    objects: int = 0,
    width: int = 320,
    height: int = 240,
    fov: float = 70.0,
    seed: int = 0,
) -> VirtualCamera:
    """Give a hand-held pan through a panorama file, with objects cut out of the panorama flying through.

    Args:
        panorama: an equirectangular Radiance .hdr file.
        count: number of instants.
        pan: degrees of yaw per instant.
        shake: standard deviation of each angle in degrees.
        tilt: degrees by which it looks up.
        objects: how many things move.
        width, height, fov: of the camera.
        seed: of everything random.
    """
    picture = read_hdr(Path(panorama))
    rng = np.random.default_rng(seed)
    yaw = rng.uniform(-180, 180)
    wobble = rng.normal(0, shake, (count, 3))
    poses = [(yaw + pan * t + wobble[t, 0], tilt + wobble[t, 1], wobble[t, 2]) for t in range(count)]
    things = [_thing(picture, rng, width, height) for _ in range(objects)]
    return VirtualCamera(picture, poses, width=width, height=height, fov=fov, objects=things)


def _thing(panorama: Radiance, rng: np.random.Generator, width: int, height: int) -> MovingObject:
    side = max(4, min(panorama.shape[0], width, height) // 4)
    row, column = (int(rng.integers(0, size - side + 1)) for size in panorama.shape[:2])
    return MovingObject(
        texture=np.ascontiguousarray(panorama[row : row + side, column : column + side]),
        start=(rng.uniform(0, width), rng.uniform(0, height)),
        velocity=(rng.normal(0, 4), rng.normal(0, 4)),
        acceleration=(rng.normal(0, 0.5), rng.normal(0, 0.5)),
    )


def _rotation(pose: Pose) -> _Points:
    """Camera axes (x right, y down, z forward) in the world's."""
    yaw, pitch, roll = np.radians(pose)
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)
