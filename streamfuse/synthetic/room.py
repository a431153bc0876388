"""The dim room around the window: bookcase, curtains, plant, painting, lamp, wall and floor."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np

from streamfuse.synthetic.paint import Color, Image, Point, Values, box, fill, grid, noise, oval

Corners = tuple[Point, Point]  # upper left, lower right

_WOOD: Color = (0.042, 0.022, 0.011)
_BOOKS: tuple[Color, ...] = (
    (0.060, 0.010, 0.009), (0.011, 0.026, 0.052), (0.014, 0.040, 0.020), (0.066, 0.043, 0.011),
    (0.050, 0.046, 0.038), (0.034, 0.012, 0.038), (0.010, 0.038, 0.042), (0.064, 0.024, 0.008),
)  # fmt: skip


def paint_room(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Wall, bookshelf, curtains, painting, lamp and floor around an open window: (H, W, 4), premultiplied."""
    height, width = size
    x, y = grid(size)
    aspect = width / height
    window = (0.37 * width, 0.09 * height), (0.70 * width, 0.64 * height)
    lamp = 0.865 * aspect, 0.275
    pool = np.exp(-(((x - lamp[0]) / 0.26) ** 2) - ((y - lamp[1] + 0.02) / 0.30) ** 2)
    ambient = 0.45 + 0.55 * np.clip((y - 0.1) / 0.8, 0, 1)
    plaster = 1 + 0.10 * noise(size, 5, 4, rng) + 0.10 * noise(size, 90, 2, rng)
    light = ambient[..., None] * np.array((0.017, 0.020, 0.026)) + pool[..., None] * np.array(
        (0.17, 0.090, 0.034)
    )
    wall = (
        plaster[..., None] * light * np.array((0.95, 1.0, 0.86)) * (1 + 0.10 * _stripes(x, 0.055))[..., None]
    )
    image = np.ascontiguousarray(wall, np.float32)
    _paint_floor(image, rng)
    _paint_shelf(image, rng)
    _paint_picture(image, rng)
    _paint_lamp(image, (lamp[0] * height, lamp[1] * height))
    alpha = np.ones((height, width, 1), np.float32)
    _paint_window(image, alpha, window)
    _paint_curtains(image, alpha, window)
    _paint_plant(image, alpha, rng)
    haze = cv2.GaussianBlur(1 - alpha, (0, 0), 0.07 * height)[..., None]
    premultiplied = 0.65 * image * alpha + 0.005 * haze * np.array((1.0, 0.95, 0.85), np.float32)
    return np.ascontiguousarray(np.concatenate([premultiplied, alpha], 2), np.float32)


def _stripes(x: Values, period: float) -> Values:
    """Give the soft stripes of a wallpaper, -1..1."""
    return np.tanh(6 * np.sin(2 * np.pi * x / period))


def _paint_floor(image: Image, rng: np.random.Generator) -> None:
    """Planks in perspective, and the sun's patch through the window."""
    height, width = image.shape[:2]
    top = round(0.80 * height)
    x, y = grid((height, width))
    depth = 0.20 / np.maximum(y[top:] - 0.66, 1e-3)
    across = (x[top:] - 0.5 * width / height) * depth
    plank = np.floor(across / 0.075)
    tone = 1 + 0.35 * np.sin(plank * 12.9898) + 0.25 * noise((height - top, width), 10, 4, rng, 0.3)
    gap = np.clip(np.abs(across / 0.075 - plank - 0.5) * 2, 0, 1) ** 24
    wood = (
        (tone * (1 - 0.75 * gap))[..., None]
        * np.array((0.050, 0.026, 0.012))
        * (0.6 + 0.5 * depth[..., None])
    )
    image[top:] = wood
    sunlit = np.ascontiguousarray(image * np.array((9.0, 8.0, 6.6), np.float32))
    for pane in range(3):
        left = 0.33 + 0.085 * pane
        near = 0.26 + 0.105 * pane
        corners = [(left, 0.845), (left + 0.070, 0.845), (near + 0.088, 0.955), (near, 0.955)]
        fill(image, [(u * width, v * height) for u, v in corners], sunlit)
    fill(image, box(0, 0.775 * height, width, 0.805 * height), (0.030, 0.029, 0.027))


def _paint_shelf(image: Image, rng: np.random.Generator) -> None:
    """Paint a bookcase in the shade: many narrow coloured backs with fine gilt lines."""
    height, width = image.shape[:2]
    left, right, top, bottom = 0.03 * width, 0.285 * width, 0.06 * height, 0.80 * height
    fill(image, box(left, top, right, bottom), (0.0010, 0.0007, 0.0005))
    grain = (
        np.array(_WOOD, np.float32) * (1 + 0.4 * noise((height, width), 40, 3, rng, 0.08))[..., None] * 0.6
    )
    shelves = np.linspace(top, bottom, 5)
    for upper, lower in pairwise(shelves):
        _paint_books(image, (left + 0.012 * height, right - 0.012 * height), (upper, lower), rng)
        fill(image, box(left, lower - 0.014 * height, right, lower + 0.006 * height), grain)
    for side in (left, right - 0.014 * height):
        fill(image, box(side, top, side + 0.014 * height, bottom), grain)
    fill(
        image,
        box(left - 0.008 * height, top - 0.022 * height, right + 0.008 * height, top + 0.004 * height),
        grain,
    )


def _paint_books(image: Image, sides: Point, shelf: Point, rng: np.random.Generator) -> None:
    unit = image.shape[0]
    x = sides[0]
    while x < sides[1] - 0.012 * unit:
        thick = min(rng.uniform(0.011, 0.027) * unit, sides[1] - x)
        top = shelf[1] - 0.014 * unit - rng.uniform(0.62, 0.90) * (shelf[1] - shelf[0])
        base = np.array(_BOOKS[rng.integers(len(_BOOKS))]) * rng.uniform(0.35, 1.1)
        foot = shelf[1] - 0.014 * unit
        fill(image, box(x, top, x + thick * 0.94, foot), tuple(base))
        fill(image, box(x + thick * 0.28, top, x + thick * 0.52, foot), tuple(base * 1.5))
        gilt = (0.12, 0.085, 0.03)
        for share in (0.10, 0.14, 0.86) if rng.random() < 0.7 else (0.3, 0.62):
            line = top + share * (foot - top)
            fill(image, box(x + 0.1 * thick, line, x + 0.85 * thick, line + 0.0035 * unit), gilt)
        for line in np.arange(
            top + 0.28 * (foot - top), top + rng.uniform(0.4, 0.7) * (foot - top), 0.009 * unit
        ):
            fill(
                image,
                box(x + 0.3 * thick, line, x + 0.65 * thick, line + 0.0045 * unit),
                tuple(base * 0.3 + 0.028),
            )
        x += thick


def _paint_picture(image: Image, rng: np.random.Generator) -> None:
    """Paint a framed painting of coloured shapes beside the lamp."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = 0.765 * width, 0.40 * height, 0.945 * width, 0.68 * height
    rim = 0.016 * height
    fill(image, box(x0 - rim, y0 - rim, x1 + rim, y1 + rim), (0.11, 0.072, 0.022))
    fill(image, box(x0 - 0.4 * rim, y0 - 0.4 * rim, x1 + 0.4 * rim, y1 + 0.4 * rim), (0.028, 0.016, 0.006))
    fill(image, box(x0, y0, x1, y1), (0.085, 0.070, 0.048))
    w, h = x1 - x0, y1 - y0
    fill(image, box(x0, y0 + 0.62 * h, x1, y1), (0.012, 0.030, 0.055))
    fill(image, oval(x0 + 0.68 * w, y0 + 0.36 * h, 0.22 * h, 0.22 * h), (0.140, 0.030, 0.012))
    hills = ((0.00, 0.30, 0.45, (0.014, 0.052, 0.040)), (0.25, 0.22, 0.80, (0.030, 0.070, 0.022)))
    for begin, peak, end, color in hills:
        fill(
            image,
            [
                (x0 + begin * w, y0 + 0.72 * h),
                (x0 + (begin + end) / 2 * w, y0 + peak * h),
                (x0 + end * w, y0 + 0.72 * h),
            ],
            color,
        )
    for _ in range(24):
        u, v = rng.uniform(0.03, 0.90), rng.uniform(0.66, 0.96)
        fill(
            image, box(x0 + u * w, y0 + v * h, x0 + (u + 0.08) * w, y0 + (v + 0.012) * h), (0.05, 0.09, 0.11)
        )


def _paint_lamp(image: Image, center: Point) -> None:
    """Paint a wall lamp that is switched on: a cloth shade with a bright core."""
    unit = image.shape[0]
    x, y = center
    gx, gy = grid((image.shape[0], image.shape[1]))
    core = np.exp(-(((gx - x / unit) / 0.040) ** 2) - ((gy - y / unit) / 0.045) ** 2)
    cloth = np.ascontiguousarray((0.26 + 0.85 * core)[..., None] * np.array((1.0, 0.62, 0.27)), np.float32)
    shade = [(-0.045, -0.055), (0.045, -0.055), (0.075, 0.05), (-0.075, 0.05)]
    fill(
        image, box(x - 0.006 * unit, y + 0.05 * unit, x + 0.006 * unit, y + 0.095 * unit), (0.10, 0.06, 0.02)
    )
    fill(image, [(x + u * unit, y + v * unit) for u, v in shade], cloth)


def _paint_window(image: Image, alpha: Image, window: Corners) -> None:
    """Cut the panes out of the wall and put the frame, the bars and the sill around them."""
    unit = image.shape[0]
    (x0, y0), (x1, y1) = window
    rim = 0.022 * unit
    fill(image, box(x0 - 1.6 * rim, y0 - 1.6 * rim, x1 + 1.6 * rim, y1 + 1.6 * rim), (0.040, 0.037, 0.033))
    fill(image, box(x0 - rim, y0 - rim, x1 + rim, y1 + rim), (0.020, 0.018, 0.016))
    fill(image, box(x0, y0, x1, y1), (0.075, 0.070, 0.062))
    bar = 0.006 * unit
    for column in range(3):
        for row in range(2):
            left, right = (x0 + (x1 - x0) * (column + k) / 3 for k in (0, 1))
            top, low = y0 + (y1 - y0) * (0, 0.36)[row], y0 + (y1 - y0) * (0.36, 1)[row]
            fill(alpha, box(left + bar, top + bar, right - bar, low - bar), (0.0,))
    fill(image, box(x0 - 3 * rim, y1 + rim, x1 + 3 * rim, y1 + 2.6 * rim), (0.19, 0.175, 0.15))
    fill(image, box(x0 - 3 * rim, y1 + 1.7 * rim, x1 + 3 * rim, y1 + 2.6 * rim), (0.032, 0.030, 0.027))


def _paint_curtains(image: Image, alpha: Image, window: Corners) -> None:
    """Red curtains: folds in the shade, and an edge that the sun shines through."""
    height, width = image.shape[:2]
    (x0, y0), (x1, y1) = window
    x, y = grid((height, width))
    folds = 0.55 + 0.45 * np.sin(2 * np.pi * (x * 26 + 0.5 * np.sin(5 * y)))
    inner = np.minimum(np.abs(x - x0 / height - 0.07), np.abs(x - x1 / height + 0.07))
    through = np.exp(-((inner / 0.035) ** 2))
    cloth = (0.25 + folds)[..., None] * np.array((0.052, 0.007, 0.006)) + (through * folds)[
        ..., None
    ] * np.array((0.30, 0.035, 0.012))
    cloth = np.ascontiguousarray(cloth, np.float32)
    top, low = y0 - 0.055 * height, y1 + 0.10 * height
    waist = y0 + 0.68 * (y1 - y0)
    for edge, side in ((x0, 1.0), (x1, -1.0)):
        out, hang, tied = (
            edge - side * 0.11 * height,
            edge + side * 0.085 * height,
            edge - side * 0.012 * height,
        )
        shape = [
            (out, top),
            (hang, top),
            (edge + side * 0.06 * height, waist - 0.15 * height),
            (tied, waist),
            (tied + side * 0.03 * height, low),
            (out - side * 0.01 * height, low),
        ]
        fill(image, shape, cloth)
        fill(alpha, shape, (1.0,))
        fill(
            image,
            box(min(out, tied), waist - 0.008 * height, max(out, tied), waist + 0.012 * height),
            (0.15, 0.10, 0.02),
        )
    fill(
        image,
        box(x0 - 0.15 * height, top - 0.008 * height, x1 + 0.15 * height, top + 0.008 * height),
        (0.13, 0.09, 0.03),
    )


def _paint_plant(image: Image, alpha: Image, rng: np.random.Generator) -> None:
    """Paint a plant in a glazed pot on the sill: leaves against the light."""
    height, width = image.shape[:2]
    x, y = 0.628 * width, 0.655 * height
    for _ in range(34):
        angle, length = rng.uniform(-2.75, -0.4), rng.uniform(0.09, 0.22) * height
        bend = rng.uniform(-0.5, 0.5)
        tip = x + length * math.cos(angle + bend), y - 0.07 * height + length * math.sin(angle + bend)
        middle = x + 0.55 * length * math.cos(angle), y - 0.07 * height + 0.55 * length * math.sin(angle)
        broad = 0.011 * height
        leaf = [
            (x, y - 0.06 * height),
            (middle[0] - broad, middle[1] - broad * 0.4),
            tip,
            (middle[0] + broad, middle[1] + broad * 0.4),
        ]
        shine = rng.uniform(0.3, 1.6)
        fill(image, leaf, (0.020 * shine, 0.060 * shine, 0.010 * shine))
        fill(alpha, leaf, (1.0,))
    pot = [
        (x - 0.052 * height, y - 0.075 * height),
        (x + 0.052 * height, y - 0.075 * height),
        (x + 0.036 * height, y + 0.016 * height),
        (x - 0.036 * height, y + 0.016 * height),
    ]
    fill(image, pot, (0.016, 0.042, 0.075))
    fill(alpha, pot, (1.0,))
    fill(
        image,
        box(x - 0.043 * height, y - 0.065 * height, x - 0.030 * height, y - 0.005 * height),
        (0.13, 0.19, 0.25),
    )
