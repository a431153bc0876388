"""Compiled loops that merge exposures into radiance and code it for a display, one line of pixels at a time.

All that is no plain arithmetic is looked up: linear light and weights by R'G'B' in [0, 1] (`NODES` values; of 8 bit
`FEWER_NODES`, which are finer than its codes and stay in the processor's fastest memory), codes and roll-off by
luminance, `PER_OCTAVE` values for each doubling from 2^`LOWEST` on (see `luminances`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel

NODES, FEWER_NODES = 4096, 1024
PER_OCTAVE, LOWEST, HIGHEST = 256, -14, 14
_SHIFT = np.int32(15)  # bits of a float32 that are finer than one of PER_OCTAVE: 23 - 8
_FIRST = np.int32((127 + LOWEST) * PER_OCTAVE)
_LAST = np.int32((HIGHEST - LOWEST) * PER_OCTAVE - 1)
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


def luminances() -> npt.NDArray[np.float64]:
    """Luminance in the middle of each step of the tables that are looked up by it."""
    step = np.arange((HIGHEST - LOWEST) * PER_OCTAVE)
    return 2.0 ** (step // PER_OCTAVE + LOWEST) * (1 + (step % PER_OCTAVE + 0.5) / PER_OCTAVE)


@kernel
def _node(value: np.float32, top: np.float32) -> np.uint32:
    """Place of a value in tables over [0, 1], whose last place is `top`."""
    return np.uint32(min(max(value, _ZERO), _ONE) * top + _HALF)


@kernel
def _step(value: np.float32) -> np.uint32:
    """Place of a luminance in tables over it."""
    bits = np.int32(np.float32(value).view(np.int32) >> _SHIFT)
    return np.uint32(min(max(bits - _FIRST, np.int32(0)), _LAST))


@kernel
def _luma(line: Plane, black: np.float32, scale: np.float32, out: Map) -> None:
    for i in range(len(out)):
        out[i] = (np.float32(line[i]) - black) * scale


@kernel
def _chroma(
    near: Plane,
    far: Plane,
    part: np.float32,
    neutral: np.float32,
    scale: np.float32,
    index: npt.NDArray[np.uint32],
    weight: Map,
    framed: Map,
    out: Map,
) -> None:
    """A line of chroma at the width of luma, from two coarse ones."""
    width = len(near)
    for i in range(width):
        a, b = np.float32(near[i]), np.float32(far[i])
        framed[i] = (a + part * (b - a) - neutral) * scale
    framed[width] = framed[width - 1]
    if len(out) == 2 * width:  # of each pair of pixels the first lies at a sample, the second between two
        for i in range(width):
            out[2 * i] = framed[i]
            out[2 * i + 1] = _HALF * (framed[i] + framed[i + 1])
        return
    for i in range(len(out)):
        left = index[i]
        out[i] = framed[left] + weight[i] * (framed[left + np.uint32(1)] - framed[left])


@kernel
def _beyond(luma: Map, cb: Map, cr: Map, to_rgb: Map, brighter: Map, far: Map) -> bool:
    """Whether a line shows anything that has clipped in the next brighter exposure for sure; see `_add`."""
    found = False
    for i in range(len(luma)):
        green = to_rgb[1] * cb[i] + to_rgb[2] * cr[i]
        largest = luma[i] + max(to_rgb[0] * cr[i], to_rgb[3] * cb[i], -green)
        found |= (largest > far[0]) | ((luma[i] > far[1]) & (luma[i] > far[2] * brighter[i]))
    return found


@kernel
def _add(
    luma: Map,
    cb: Map,
    cr: Map,
    to_rgb: Map,
    light: Map,
    weight: Map,
    unclipped: Map,
    floor: np.float32,
    scale: Map,
    sure: bool,
    brighter: Map,
    far: Map,
    total: Map,
    sums: Map,
    least: Map,
    settled: npt.NDArray[np.bool_],
) -> None:
    """Add one exposure: of each channel its weight to the total, weight x radiance to the sums, all (3, w).

    `least` (3, w) rises to what a channel must have that clips. A pixel is settled, and darker exposures are not asked,
    once no channel of it clips in an exposure that is `sure`: beside it a darker one would weigh next to nothing.
    But a channel that is beyond `far[0]` here is clipped in all brighter exposures, whatever they say, and so is a
    pixel whose luma is above `far[1]` and `far[2]` times what the next `brighter` one has: chroma that is shared with
    the pixels around hides it.
    """
    top = np.float32(len(light) - 1)
    within = not _beyond(luma, cb, cr, to_rgb, brighter, far)  # as of most lines
    for i in range(luma.shape[0]):
        if settled[i] and within:
            continue
        red_code = luma[i] + to_rgb[0] * cr[i]
        green_code = luma[i] - to_rgb[1] * cb[i] - to_rgb[2] * cr[i]
        blue_code = luma[i] + to_rgb[3] * cb[i]
        lost = luma[i] > far[1] and luma[i] > far[2] * brighter[i]
        if lost or max(red_code, green_code, blue_code) > far[0]:
            settled[i] = False
            for c, code in enumerate((red_code, green_code, blue_code)):
                if lost or code > far[0]:
                    total[c, i], sums[c, i], least[c, i] = _ZERO, _ZERO, _ZERO
        elif settled[i]:
            continue
        r, g, b = _node(red_code, top), _node(green_code, top), _node(blue_code, top)
        share = weight[_node(luma[i], top)]
        kept_r, kept_g, kept_b = unclipped[r], unclipped[g], unclipped[b]
        red, green, blue = share * kept_r + floor, share * kept_g + floor, share * kept_b + floor
        total[0, i] += red
        total[1, i] += green
        total[2, i] += blue
        light_r, light_g, light_b = light[r] * scale[0], light[g] * scale[1], light[b] * scale[2]
        sums[0, i] += red * light_r
        sums[1, i] += green * light_g
        sums[2, i] += blue * light_b
        if kept_r * kept_g * kept_b == _ONE:
            settled[i] = sure
        else:
            least[0, i] = max(least[0, i], (_ONE - kept_r) * light_r)
            least[1, i] = max(least[1, i], (_ONE - kept_g) * light_g)
            least[2, i] = max(least[2, i], (_ONE - kept_b) * light_b)


@kernel
def _divide(total: Map, least: Map, sums: Map) -> None:
    for i in range(total.shape[1]):
        for c in range(3):
            sums[c, i] = max(sums[c, i] / total[c, i], least[c, i])


@kernel
def _code(
    light: Map, matrix: Map, gain: Map, signal: Map, luma: Map, knee: np.float32, line: Plane, codes: Map, cb: Map,
    cr: Map,
) -> None:  # fmt: skip
    """Y' of a line, stored; Cb and Cr, added.

    Args:
        light: (3, w).
        matrix: (3, 3), from it to luminance of the output's R, G and B.
        gain: roll-off by the largest of them, which keeps the colour.
        knee: up to which it is 1.
        signal: R'G'B' by luminance.
        luma: weights of R', G' and B', then what Cb and Cr are divided by.
        codes: (2,), what Y' is multiplied by and gets added.
    """
    for i in range(len(line)):
        one, two, three = light[0, i], light[1, i], light[2, i]
        red = matrix[0, 0] * one + matrix[0, 1] * two + matrix[0, 2] * three
        green = matrix[1, 0] * one + matrix[1, 1] * two + matrix[1, 2] * three
        blue = matrix[2, 0] * one + matrix[2, 1] * two + matrix[2, 2] * three
        largest = max(red, green, blue)
        if largest > knee:
            fit = gain[_step(largest)]
            red, green, blue = red * fit, green * fit, blue * fit
        r, g, b = signal[_step(red)], signal[_step(green)], signal[_step(blue)]
        y = luma[0] * r + luma[1] * g + luma[2] * b
        line[i] = y * codes[0] + codes[1]
        cb[i] += (b - y) * luma[3]
        cr[i] += (r - y) * luma[4]


@kernel
def _store_chroma(
    sums: Map, across: int, per: np.float32, scale: np.float32, neutral: np.float32, out: Plane
) -> None:
    """A line of chroma reduced by a triangle around each sample; the ends are repeated."""
    last = len(sums) - 1
    if across == 2 and last == 2 * len(out) - 1:
        part, two = per * scale, np.float32(2)
        out[0] = (np.float32(3) * sums[0] + sums[1]) * part + neutral
        for i in range(1, len(out)):
            out[i] = (sums[2 * i - 1] + two * sums[2 * i] + sums[2 * i + 1]) * part + neutral
        return
    for i in range(len(out)):
        total = _ZERO
        for offset in range(1 - across, across):
            at = min(max(i * across + offset, 0), last)
            total += np.float32(across - abs(offset)) * sums[at]
        out[i] = total * per * scale + neutral


@kernel
def merge(
    lumas: Plane,
    chroma: Plane,
    levels: Map,
    subsampling: tuple[int, int],
    index: npt.NDArray[np.uint32],
    part: Map,
    to_rgb: Map,
    light: Map,
    weights: Map,
    unclipped: Map,
    floors: Map,
    scales: Map,
    sure: npt.NDArray[np.bool_],
    far: Map,
    matrix: Map,
    gain: Map,
    knee: np.float32,
    signal: Map,
    luma: Map,
    codes: Map,
    out: tuple[Plane, Plane, Plane],
    linear: Map,
) -> None:
    """Merge N exposures of one instant and code the radiance.

    Args:
        lumas, chroma: code values (N, H, W) and (N, 2, h, w).
        levels: black and scale of luma, neutral and scale of chroma.
        subsampling: log2, across and down.
        index, part: where the columns of luma lie in a line of chroma: the left one, and the way to the next.
        to_rgb: what Cr adds to R', Cb and Cr take from G', Cb adds to B'.
        light, unclipped: by the nodes of R'G'B'.
        weights: (N, NODES), by luma.
        floors, scales: of each exposure, added to its weight, and radiance of R, G and B at its full scale.
        sure: whether an exposure needs no darker one beside it where it does not clip.
        far: (N, 3), by what all brighter exposures have clipped for sure, see `_add`.
        matrix, gain, knee, signal, luma: see `_code`.
        codes: scale and offset of Y', scale and neutral of chroma, the offset with what rounds.
        out: Y (H, W), Cb and Cr (h, w).
        linear: (H, W, 3) for the radiance, or of no rows.
    """
    count, height, width = lumas.shape
    columns, rows = chroma.shape[3], chroma.shape[2]
    across, down = 1 << subsampling[0], 1 << subsampling[1]
    y_lines, cb, cr = (
        np.empty((2, width), np.float32),
        np.empty(width, np.float32),
        np.empty(width, np.float32),
    )
    framed, total = np.empty(columns + 1, np.float32), np.empty((3, width), np.float32)
    sums, coarse = np.empty((3, width), np.float32), np.zeros((2, width), np.float32)
    least = np.empty((3, width), np.float32)
    settled = np.empty(width, np.bool_)
    for y in range(height):
        settled[:] = False
        total[:] = _ZERO
        sums[:] = _ZERO
        least[:] = _ZERO
        place = np.float32(y + 0.5) / np.float32(down) - _HALF
        above = int(np.floor(place))
        way = place - np.float32(above)
        upper, lower = min(max(above, 0), rows - 1), min(max(above + 1, 0), rows - 1)
        for k in range(count - 1, -1, -1):
            y_line = y_lines[k & 1]
            _luma(lumas[k, y], levels[0], levels[1], y_line)
            _chroma(
                chroma[k, 0, upper], chroma[k, 0, lower], way, levels[2], levels[3], index, part, framed, cb
            )
            _chroma(
                chroma[k, 1, upper], chroma[k, 1, lower], way, levels[2], levels[3], index, part, framed, cr
            )
            _add(
                y_line,
                cb,
                cr,
                to_rgb,
                light,
                weights[k],
                unclipped,
                floors[k],
                scales[k],
                sure[k],
                y_lines[(k & 1) ^ int(k < count - 1)],
                far[k],
                total,
                sums,
                least,
                settled,
            )
        _divide(total, least, sums)
        if len(linear) > 0:
            for c in range(3):
                linear[y, :, c] = sums[c]
        _code(sums, matrix, gain, signal, luma, knee, out[0][y], codes, coarse[0], coarse[1])
        if (y + 1) % down == 0 or y == height - 1:
            here = np.float32(y % down + 1)
            per = _ONE / (here * np.float32(across * across))
            _store_chroma(coarse[0], across, per, codes[2], codes[3], out[1][y // down])
            _store_chroma(coarse[1], across, per, codes[2], codes[3], out[2][y // down])
            coarse[:] = _ZERO
