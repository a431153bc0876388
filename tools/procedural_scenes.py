"""Ten scenes of wide range that are made and not photographed, so that everybody may show them.

Shapes are simple; what matters for fusion is as in photographs: surfaces are fractal noise in ln light, light falls off
with distance, lamps and the sun are orders of magnitude brighter than what they light, and the lens spreads some of it.
Each is (HEIGHT, WIDTH, 3) float32 radiance and the same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from streamfuse.synthetic.paint import Color, Image, Values, box, fill, mix, noise, oval

WIDTH, HEIGHT = 640, 440
SIZE = HEIGHT, WIDTH
Rng = np.random.Generator

X, Y = np.meshgrid(np.arange(WIDTH, dtype=np.float32) + 0.5, np.arange(HEIGHT, dtype=np.float32) + 0.5)
_VEIL = ((60.0, 0.006), (12.0, 0.012))  # of a lens: sigma in pixels, share of the light
_FOCUS = 0.6  # sigma in pixels
WARM: Color = (1.0, 0.62, 0.28)


def surface(rng: Rng, color: Color, cells: float = 6, depth: float = 0.35, stretch: float = 1.0) -> Image:
    """Give light that a textured surface sends back: log-normal, with detail down to the pixel."""
    rough = np.exp(depth * noise(SIZE, cells, 7, rng, stretch))
    tint = 0.12 * noise(SIZE, cells / 2, 3, rng)
    return np.stack(
        [color[0] * rough * (1 + tint), color[1] * rough, color[2] * rough * (1 - tint)], axis=2
    ).astype(np.float32)


def step(value: Values, low: float, high: float) -> Values:
    """0 up to `low`, 1 from `high` on, smooth between them."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def falloff(x: float, y: float, radius: float, power: float = 1.0, squash: float = 1.0) -> Values:
    """Light around a lamp: 1 there, a half at `radius`, then by the square of the distance (`power` 1)."""
    far = ((X - x) ** 2 + ((Y - y) / squash) ** 2) / radius**2
    return np.asarray((1 + far) ** -power, np.float32)


def lit(image: Image, light: Values, color: Color) -> Image:
    """Give a surface under more light."""
    return np.asarray(image * (1 + light[..., None] * np.array(color, np.float32)), np.float32)


def add(image: Image, light: Values, color: Color) -> None:
    """Add light of its own: haze, a flame."""
    image += light[..., None] * np.array(color, np.float32)


def sky(rng: Rng, low: Color, high: Color, cloud: Color, cover: float, horizon: float) -> Image:
    """Give a sky whose clouds get smaller towards the horizon, at a line `horizon`, with bright tops and grey bases."""
    clear = mix(low, high, step(horizon - Y, 0, horizon))
    thick = noise(SIZE, 3, 7, rng, 2.5) + cover
    shaded = np.exp(-0.5 * np.clip(thick, 0, 2) + 0.25 * noise(SIZE, 5, 6, rng, 2))
    return mix(clear, np.array(cloud, np.float32) * shaded[..., None], step(thick, 0.0, 0.6))


def ridge(rng: Rng, line: float, height: float, jagged: int = 6) -> Values:
    """Share 0..1 of each pixel that lies below a ridge."""
    profile = noise((4, WIDTH), 2, jagged, rng, 60)[0]
    return step(Y - (line - height * profile[None, :]), -0.7, 0.7)


def spruce(image: Image, x: float, foot: float, height: float, color: Image) -> None:
    """Paint a tree of seven tiers."""
    for tier in range(7):
        top, wide = foot - height * (1 - tier / 8), height * (0.06 + 0.035 * tier)
        fill(image, [(x, top), (x + wide, top + 0.24 * height), (x - wide, top + 0.24 * height)], color)


def window(rng: Rng) -> Image:
    """A room, and clouds behind its window."""
    out = sky(rng, (0.9, 1.05, 1.3), (0.35, 0.6, 1.2), (3.2, 3.1, 3.0), 0.1, 320)
    out = mix(out, surface(rng, (0.16, 0.22, 0.07), 14, 0.5), ridge(rng, 258, 22))
    room = lit(surface(rng, (0.012, 0.010, 0.008), 4, 0.12), falloff(330, 480, 120, 1, 0.35), (9, 9.5, 10))
    frame = surface(rng, (0.03, 0.028, 0.025), 8, 0.1)
    inside: Values = np.zeros(SIZE, np.float32)
    for left in (200, 338):
        inside = np.maximum(inside, step(X, left, left + 1) * step(-X, -left - 122, -left - 121))
    inside = inside * step(Y, 50, 51) * step(-Y, -311, -310)
    fill(room, box(186, 38, 474, 324), frame)
    out = mix(room, out, inside)
    cloth = lit(surface(rng, (0.10, 0.05, 0.04), 5, 0.3, 0.12), step(X, 120, 200), (3, 3, 3))
    fill(out, [(120, 20), (196, 20), (178, 200), (150, 400), (110, 400)], cloth)
    table = lit(surface(rng, (0.02, 0.012, 0.007), 6, 0.3, 6), falloff(330, 372, 160, 1, 0.3), (9, 9, 9))
    fill(out, box(0, 372, WIDTH, HEIGHT), table)
    fill(out, oval(430, 345, 26, 36), surface(rng, (0.02, 0.035, 0.05), 6, 0.2))
    return out


def sunset(rng: Rng) -> Image:
    """Clouds that the sun lights from below, over dark hills."""
    out = sky(rng, (2.6, 1.1, 0.3), (0.12, 0.17, 0.34), (1.3, 0.5, 0.3), 0.0, 300)
    add(out, falloff(410, 296, 60, 1.0, 0.6), (9, 4.2, 0.9))
    for line, tone in ((292, 0.05), (330, 0.02), (375, 0.009)):
        out = mix(out, surface(rng, (tone, tone * 0.8, tone * 0.7), 18, 0.5), ridge(rng, line, 26))
    return out


def sun(rng: Rng) -> Image:
    """The sun itself, thin clouds, a tree and a meadow."""
    out = sky(rng, (0.9, 1.0, 1.1), (0.25, 0.5, 1.1), (1.6, 1.6, 1.6), -0.2, 330)
    add(out, falloff(190, 110, 26, 1.2), (14, 12.5, 10))
    fill(out, oval(190, 110, 13, 13), (400, 380, 330))
    out = mix(out, surface(rng, (0.05, 0.07, 0.09), 20, 0.3), ridge(rng, 300, 20))
    meadow = surface(rng, (0.05, 0.075, 0.015), 30, 0.6, 0.7)
    out = mix(out, lit(meadow, falloff(190, 330, 150, 1, 0.5), (2, 1.7, 1)), ridge(rng, 330, 6, 3))
    bark = surface(rng, (0.014, 0.010, 0.007), 20, 0.5, 0.2)
    fill(out, [(486, 390), (494, 200), (506, 200), (520, 390)], bark)
    crown = step(0.5 * noise(SIZE, 11, 6, rng) + 2 * falloff(500, 150, 95, 2, 0.85) - 1.0, 0, 0.15)
    return mix(out, surface(rng, (0.02, 0.028, 0.008), 40, 0.6), crown)


def lamps(rng: Rng) -> Image:
    """A street at night: lamps, a wall of bricks and wet cobbles."""
    out = mix((0.004, 0.005, 0.010), (0.001, 0.0015, 0.004), step(-Y, -240, 0))
    wall = surface(rng, (0.012, 0.0075, 0.006), 30, 0.35)
    joints = np.minimum((Y % 11) / 2, ((X + 9 * (Y // 11 % 2)) % 24) / 2).clip(0.4, 1)
    ground = surface(rng, (0.008, 0.008, 0.009), 26, 0.6, 1.8)
    out = mix(out, wall * joints[..., None], step(Y, 90, 91))
    out = mix(out, ground, step(Y, 330, 331))
    light: Values = np.zeros(SIZE, np.float32)
    for x in (90, 300, 510):
        light = light + 90 * falloff(x, 120, 34, 1.3) + 26 * falloff(x, 360, 60, 1.3, 0.4)
    out = lit(out, light, WARM)
    for x in (90, 300, 510):
        fill(out, box(x - 3, 130, x + 3, 372), (0.004, 0.004, 0.004))
        fill(out, oval(x, 120, 17, 21), (5.0, 3.3, 1.5))
        fill(out, oval(x, 120, 6, 9), (60, 45, 25))
    return out


def house(rng: Rng) -> Image:
    """Lit windows after dusk."""
    out = sky(rng, (0.05, 0.07, 0.15), (0.012, 0.022, 0.07), (0.05, 0.05, 0.08), -0.3, 330)
    out = mix(out, surface(rng, (0.005, 0.007, 0.004), 20, 0.7), ridge(rng, 270, 70, 7))
    front = surface(rng, (0.016, 0.014, 0.013), 10, 0.2)
    fill(out, [(130, 190), (330, 90), (530, 190)], surface(rng, (0.007, 0.005, 0.005), 30, 0.4, 3))
    fill(out, box(150, 186, 510, 370), front)
    out = mix(out, surface(rng, (0.006, 0.009, 0.004), 30, 0.7), step(Y, 366, 372))
    inside = lit(surface(rng, (0.5, 0.33, 0.15), 5, 0.35), falloff(330, 250, 300, 2), (0.6, 0.5, 0.4))
    for left, top in ((180, 212), (270, 212), (420, 212), (180, 296), (420, 296)):
        light = 7 * falloff(left + 34, top + 14, 12, 1.2)
        fill(out, box(left - 4, top - 4, left + 64, top + 64), (0.03, 0.028, 0.026))
        fill(out, box(left, top, left + 60, top + 60), lit(inside, light, (1.0, 0.75, 0.4)))
        fill(out, box(left, top, left + 13, top + 60), surface(rng, (0.35, 0.14, 0.07), 6, 0.3, 0.1))
        fill(out, box(left + 29, top, left + 31, top + 60), (0.03, 0.026, 0.02))
        fill(out, box(left + 36, top + 34, left + 52, top + 60), (0.06, 0.035, 0.02))
    fill(out, box(330, 290, 376, 370), surface(rng, (0.02, 0.008, 0.005), 8, 0.3, 0.2))
    fill(out, oval(353, 274, 5, 5), (25, 18, 9))
    return lit(out, 9 * falloff(353, 290, 45, 1.4) + 2 * falloff(353, 420, 90, 1.3, 0.4), WARM)


def tunnel(rng: Rng) -> Image:
    """The way out of a tunnel: day there, bricks here."""
    day = sky(rng, (1.6, 1.8, 2.1), (0.7, 1.0, 1.7), (3.4, 3.4, 3.4), 0.1, 250)
    day = mix(day, surface(rng, (0.35, 0.45, 0.13), 25, 0.6), ridge(rng, 215, 24))
    day = mix(day, surface(rng, (0.6, 0.56, 0.5), 25, 0.25), step(Y, 262, 264))
    out_x, out_y = (X - 360) / 72, (Y - 230) / 66
    far = np.sqrt(out_x**2 + np.where(out_y < 0, out_y, 0.75 * out_y) ** 2)
    rings = 0.75 + 0.25 * np.clip(np.sin(10 * np.log(far + 1e-3)) * 3, -1, 1)
    walls = surface(rng, (0.02, 0.017, 0.014), 26, 0.45) * rings[..., None]
    walls = lit(walls, 40 / (1 + far**2.6), (1.0, 1.0, 1.05))
    floor = lit(surface(rng, (0.016, 0.016, 0.017), 20, 0.5, 4), 40 / (1 + far**2), (1, 1, 1.1))
    walls = mix(walls, floor, step(out_y - 0.35 * np.abs(out_x) - 0.6, 0, 0.05))
    return mix(day, walls, step(far, 0.98, 1.0))


def stage(rng: Rng) -> Image:
    """Coloured light in haze, players, heads before them."""
    out = surface(rng, (0.004, 0.004, 0.005), 6, 0.3)
    haze = np.exp(0.45 * noise(SIZE, 4, 5, rng))
    spots: Sequence[tuple[float, float, Color]] = (
        (90, 200, (1.6, 0.08, 0.10)), (230, 330, (0.10, 0.25, 2.2)),
        (410, 300, (1.2, 0.10, 1.5)), (560, 470, (0.15, 1.3, 0.35)),
    )  # fmt: skip
    floor = surface(rng, (0.03, 0.028, 0.026), 16, 0.3, 6)
    out = mix(out, floor, step(Y, 318, 320))
    for top, foot, color in spots:
        along = np.clip((Y - 30) / 310, 0, 1)
        beam = np.exp(-(((X - top - (foot - top) * along) / (5 + 42 * along)) ** 2)) / (0.25 + along)
        add(out, 0.16 * beam * haze * step(Y, 26, 34) * step(-Y, -352, -318), color)
        out = lit(out, 22 * falloff(foot, 340, 46, 2, 0.35), color)
        add(out, 2.5 * falloff(top, 30, 9, 1.6), color)
        fill(out, oval(top, 30, 7, 7), (30 * color[0] + 8, 30 * color[1] + 8, 30 * color[2] + 8))
    for x, (_, _, color) in zip((205, 325, 455), spots, strict=False):
        body = lit(surface(rng, (0.05, 0.04, 0.035), 10, 0.3), 14 * step(X, x - 22, x + 20), color)
        fill(out, [(x - 20, 340), (x - 24, 250), (x + 24, 250), (x + 20, 340)], body)
        fill(out, oval(x, 230, 13, 17), body)
    for x in range(-10, WIDTH + 20, 46):
        fill(out, oval(x + rng.uniform(-8, 8), 432 + rng.uniform(-8, 8), 21, 27), (0.0035, 0.003, 0.004))
    return out


def snow(rng: Rng) -> Image:
    """Snow in the sun, and spruces that are nearly black before it."""
    out = sky(rng, (0.75, 0.95, 1.3), (0.25, 0.45, 1.0), (1.5, 1.5, 1.55), -0.25, 230)
    out = mix(out, surface(rng, (0.9, 0.95, 1.1), 10, 0.18), ridge(rng, 150, 50, 7))
    out = mix(out, surface(rng, (0.03, 0.045, 0.04), 30, 0.5), ridge(rng, 232, 16, 7))
    ground = surface(rng, (1.7, 1.65, 1.6), 7, 0.10, 2.5)
    out = mix(out, ground, ridge(rng, 256, 7, 4))
    for x in (60, 150, 250, 420, 500, 590):  # of what stands behind the camera, too
        shade = ground * np.array((0.16, 0.22, 0.36), np.float32)
        fill(out, [(x, 275), (x + 10, 275), (x + 190, 440), (x + 120, 440)], shade)
    needles = surface(rng, (0.012, 0.020, 0.012), 60, 0.8)
    trees = (
        (40, 290, 210),
        (112, 272, 150),
        (235, 280, 190),
        (430, 276, 170),
        (505, 300, 250),
        (600, 284, 200),
    )
    for x, foot, height in trees:
        spruce(out, x, foot, height, needles)
    heaps = step(noise(SIZE, 16, 4, rng) - 1.1, 0, 0.2) * step(-Y, -290, -230) * step(Y, 90, 150)
    return mix(out, (0.8, 0.85, 1.0), 0.8 * heaps)


def candle(rng: Rng) -> Image:
    """A flame on a table, fruit, and what it lights of a room."""
    out = surface(rng, (0.030, 0.022, 0.016), 5, 0.25)
    fill(out, box(400, 60, 560, 200), surface(rng, (0.02, 0.012, 0.006), 8, 0.2))
    fill(out, box(412, 72, 548, 188), surface(rng, (0.03, 0.04, 0.035), 7, 0.7))
    out = mix(out, surface(rng, (0.035, 0.018, 0.009), 7, 0.35, 8), step(Y, 322, 324))
    for x, y, radius, color in (
        (400, 330, 30, (0.10, 0.02, 0.01)), (455, 338, 26, (0.09, 0.06, 0.01)), (180, 336, 24, (0.03, 0.06, 0.012)),
    ):  # fmt: skip
        round_ = np.clip(1 - ((X - x) ** 2 + (Y - y) ** 2) / radius**2, 0, 1)
        faces = np.clip((290 - X) / 200 * np.sign(x - 290) + 0.75, 0.05, 1.4) * np.sqrt(round_)
        fill(out, oval(x, y, radius, radius), surface(rng, color, 30, 0.15) * faces[..., None])
    out = lit(out, 24 * falloff(290, 205, 75, 1.15), WARM)
    out *= 0.35
    wax = lit(surface(rng, (0.16, 0.13, 0.10), 8, 0.05), 8 * falloff(290, 222, 28, 1), WARM)
    fill(out, box(276, 222, 304, 350), wax)
    flame = falloff(290, 200, 8, 3, 2.4)
    add(out, flame, (22, 12.5, 4.2))
    add(out, falloff(290, 205, 24, 2), (0.5, 0.25, 0.08))
    return out


def rain(rng: Rng) -> Image:
    """Head-lights on a wet road, and rain that they light."""
    out = mix((0.006, 0.008, 0.012), (0.0015, 0.002, 0.004), step(-Y, -220, 0))
    out = mix(out, surface(rng, (0.004, 0.005, 0.004), 16, 0.6), ridge(rng, 190, 60, 7))
    out = mix(out, surface(rng, (0.009, 0.009, 0.010), 22, 0.5, 3), step(Y, 232, 234))
    wet = np.exp(0.8 * noise(SIZE, 40, 5, rng, 5))
    cars: Sequence[tuple[float, float, float, Color]] = (
        (250, 258, 26, (1.0, 0.93, 0.80)), (430, 246, 12, (1.0, 0.93, 0.80)), (560, 262, 20, (1.0, 0.07, 0.04)),
    )  # fmt: skip
    glow: Values = np.zeros(SIZE, np.float32)
    for x, y, half, color in cars:
        red = color[1] < 0.5
        power = half * (0.12 if red else 1.0)
        fill(out, box(x - half - 8, y - half, x + half + 8, y + half * 0.6), (0.004, 0.004, 0.005))
        for place in (x - half, x + half):
            smear = np.exp(-(((X - place) / (0.16 * half + 0.04 * np.abs(Y - y))) ** 2) - (Y - y) / 90)
            add(out, 0.035 * power * smear * wet * step(Y, y + 4, y + 20), color)
            halo = power * falloff(place, y, half * 0.55, 1.5)
            add(out, 0.16 * halo, color)
            glow = glow + halo * (not red)
            fill(out, oval(place, y, half * 0.28, half * 0.24), tuple(6 * power * part for part in color))
    drops = np.zeros(SIZE, np.uint8)
    for x, y, long, light in rng.uniform((0, -20, 8, 60), (WIDTH, HEIGHT, 26, 255), (900, 4)):
        cv2.line(drops, (int(x), int(y)), (int(x - long / 5), int(y + long)), int(light), 1, cv2.LINE_AA)
    seen = 0.008 + 0.30 * np.sqrt(glow / 26) * falloff(340, 240, 200)
    add(out, cv2.GaussianBlur(drops, (0, 0), 0.6) / 255 * seen, (1, 1, 1.05))
    return out


SCENES: Mapping[str, Callable[[Rng], Image]] = {
    scene.__name__: scene for scene in (window, sunset, sun, lamps, house, tunnel, stage, snow, candle, rain)
}


def made(name: str) -> Image:
    """Give the radiance of one of `SCENES`, as a lens shows it."""
    image = SCENES[name](np.random.default_rng(list(SCENES).index(name)))
    through = image.copy()
    for sigma, share in _VEIL:
        through += np.float32(share) * (cv2.GaussianBlur(image, (0, 0), sigma) - image)
    return np.maximum(cv2.GaussianBlur(through, (0, 0), _FOCUS), np.float32(1e-5))
