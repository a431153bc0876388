"""Compiled loops that merge exposures into radiance and code it for a display, one line of pixels at a time.

All that is no plain arithmetic is looked up: linear light and weights by R'G'B' in [0, 1] (`NODES` values; of 8 bit
`FEWER_NODES`, which are finer than its codes and stay in the processor's fastest memory), codes and roll-off by
luminance, `PER_OCTAVE` values for each doubling from 2^`LOWEST` on (see `luminances`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel, kernel_of_apart

NODES, FEWER_NODES = 4096, 1024
PER_OCTAVE, LOWEST, HIGHEST = 256, -14, 14
_SHIFT = np.int32(15)  # bits of a float32 that are finer than one of PER_OCTAVE: 23 - 8
_FIRST = np.int32((127 + LOWEST) * PER_OCTAVE)
_LAST = np.int32((HIGHEST - LOWEST) * PER_OCTAVE - 1)
_BLOCK = 320  # pixels that are asked for together
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


@kernel_of_apart
def _beyond(luma: Map, cb: Map, cr: Map, to_rgb: Map, brighter: Map, far: Map) -> bool:
    """Tell whether a line shows anything that has clipped in the next brighter exposure for sure; see `_forget`."""
    found = False
    for i in range(len(luma)):
        green = to_rgb[1] * cb[i] + to_rgb[2] * cr[i]
        largest = luma[i] + max(to_rgb[0] * cr[i], to_rgb[3] * cb[i], -green)
        found |= (largest > far[0]) | ((luma[i] > far[1]) & (luma[i] > far[2] * brighter[i]))
    return found


@kernel_of_apart
def _forget(
    luma: Map, cb: Map, cr: Map, of_cb: np.float32, of_cr: np.float32, brighter: Map, far: Map, total: Map, sums: Map,
    least: Map, settled: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    """Forget what brighter exposures tell of a channel that has clipped in them, whatever they say.

    A channel that is beyond `far[0]` here is clipped in all of them, and so is a pixel whose luma is above `far[1]` and
    `far[2]` times what the next `brighter` one has: chroma that is shared with the pixels around hides it.
    """
    for i in range(len(luma)):
        code = luma[i] + of_cb * cb[i] + of_cr * cr[i]
        lost = (code > far[0]) | ((luma[i] > far[1]) & (luma[i] > far[2] * brighter[i]))
        total[i] = _ZERO if lost else total[i]
        sums[i] = _ZERO if lost else sums[i]
        least[i] = _ZERO if lost else least[i]
        settled[i] = settled[i] & (not lost)


@kernel
def _all(settled: npt.NDArray[np.bool_]) -> bool:
    """Tell whether all are; to look at every one is faster than to stop."""
    found = True
    for i in range(len(settled)):
        found &= settled[i]
    return found


@kernel
def _unclipped(node: np.uint32, fade: Map, top: np.float32) -> np.float32:
    """Share of a channel that has not clipped: it falls smoothly from 1 to 0 along the fade."""
    part = min(max((fade[0] - np.float32(np.int32(node)) / top) * fade[1], _ZERO), _ONE)
    return part * part * (np.float32(3) - np.float32(2) * part)


@kernel_of_apart
def _add(
    luma: Map, cb: Map, cr: Map, to_rgb: Map, light: Map, weight: Map, fade: Map, floor: np.float32, scale: Map,
    sure: bool, settled: npt.NDArray[np.bool_], total_r: Map, total_g: Map, total_b: Map, sum_r: Map, sum_g: Map,
    sum_b: Map, least_r: Map, least_g: Map, least_b: Map,
) -> None:  # fmt: skip
    """Add one exposure: of each channel its weight to the total, weight x radiance to the sum.

    `least` rises to what a channel must have that clips. A pixel is settled, and darker exposures are not asked,
    once no channel of it clips in an exposure that is `sure`: beside it a darker one would weigh next to nothing.
    There are no branches, so that the compiler takes several pixels at once: what is not asked is added 0 times.
    """
    top = np.float32(len(light) - 1)
    for i in range(len(luma)):
        r = _node(luma[i] + to_rgb[0] * cr[i], top)
        g = _node(luma[i] - to_rgb[1] * cb[i] - to_rgb[2] * cr[i], top)
        b = _node(luma[i] + to_rgb[3] * cb[i], top)
        asked = _ZERO if settled[i] else _ONE
        share = asked * weight[_node(luma[i], top)]
        kept_r, kept_g, kept_b = _unclipped(r, fade, top), _unclipped(g, fade, top), _unclipped(b, fade, top)
        light_r, light_g, light_b = light[r] * scale[0], light[g] * scale[1], light[b] * scale[2]
        trace = asked * floor
        red, green, blue = share * kept_r + trace, share * kept_g + trace, share * kept_b + trace
        total_r[i] += red
        total_g[i] += green
        total_b[i] += blue
        sum_r[i] += red * light_r
        sum_g[i] += green * light_g
        sum_b[i] += blue * light_b
        least_r[i] = max(least_r[i], asked * (_ONE - kept_r) * light_r)
        least_g[i] = max(least_g[i], asked * (_ONE - kept_g) * light_g)
        least_b[i] = max(least_b[i], asked * (_ONE - kept_b) * light_b)
        settled[i] |= sure & (kept_r * kept_g * kept_b == _ONE)


@kernel_of_apart
def _divide(total: Map, least: Map, sums: Map) -> None:
    for i in range(len(total)):
        sums[i] = max(sums[i] / total[i], least[i])


@kernel_of_apart
def _to_output(red: Map, green: Map, blue: Map, matrix: Map, knee: np.float32) -> bool:
    """Turn a line of radiance into luminance of the output's R, G and B; tell whether any is beyond the knee."""
    beyond = False
    for i in range(len(red)):
        one, two, three = red[i], green[i], blue[i]
        red[i] = matrix[0, 0] * one + matrix[0, 1] * two + matrix[0, 2] * three
        green[i] = matrix[1, 0] * one + matrix[1, 1] * two + matrix[1, 2] * three
        blue[i] = matrix[2, 0] * one + matrix[2, 1] * two + matrix[2, 2] * three
        beyond |= max(red[i], green[i], blue[i]) > knee
    return beyond


@kernel_of_apart
def _roll_off(red: Map, green: Map, blue: Map, gain: Map, knee: np.float32) -> None:
    """Multiply by a gain that is looked up by the largest of the three, which keeps the colour; 1 up to the knee."""
    for i in range(len(red)):
        largest = max(red[i], green[i], blue[i])
        fit = gain[_step(largest)]
        fit = fit if largest > knee else _ONE
        red[i], green[i], blue[i] = red[i] * fit, green[i] * fit, blue[i] * fit


@kernel_of_apart
def _code(
    red: Map, green: Map, blue: Map, signal: Map, luma: Map, codes: Map, line: Plane, cb: Map, cr: Map
) -> None:
    """Y' of a line, stored; Cb and Cr, added.

    Args:
        red, green, blue: luminance.
        signal: R'G'B' by it.
        luma: weights of R', G' and B', then what Cb and Cr are divided by.
        codes: what Y' is multiplied by and gets added.
    """
    for i in range(len(line)):
        r, g, b = signal[_step(red[i])], signal[_step(green[i])], signal[_step(blue[i])]
        y = luma[0] * r + luma[1] * g + luma[2] * b
        line[i] = np.int32(y * codes[0] + codes[1])
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
    lumas: tuple[Plane, ...],
    cbs: tuple[Plane, ...],
    crs: tuple[Plane, ...],
    levels: Map,
    subsampling: tuple[int, int],
    index: npt.NDArray[np.uint32],
    part: Map,
    to_rgb: Map,
    light: Map,
    weights: Map,
    fade: Map,
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
        lumas, cbs, crs: code values (H, W) and (h, w) of each exposure; more than N of them are not looked at.
        levels: black and scale of luma, neutral and scale of chroma.
        subsampling: log2, across and down.
        index, part: where the columns of luma lie in a line of chroma: the left one, and the way to the next.
        to_rgb: what Cr adds to R', Cb and Cr take from G', Cb adds to B'.
        light: by the nodes of R'G'B'.
        fade: R'G'B' at which a channel has clipped, and one over how far below it begins to.
        weights: (N, NODES), by luma.
        floors, scales: of each exposure, added to its weight, and radiance of R, G and B at its full scale.
        sure: whether an exposure needs no darker one beside it where it does not clip.
        far: (N, 3), by what all brighter exposures have clipped for sure, see `_forget`.
        matrix, gain, knee, signal, luma: see `_to_output`, `_roll_off` and `_code`.
        codes: scale and offset of Y', scale and neutral of chroma, the offset with what rounds.
        out: Y (H, W), Cb and Cr (h, w).
        linear: (H, W, 3) for the radiance, or of no rows.
    """
    count = len(floors)
    height, width = lumas[0].shape
    rows, columns = cbs[0].shape
    across, down = 1 << subsampling[0], 1 << subsampling[1]
    y_lines, cb, cr = (
        np.empty((2, width), np.float32),
        np.empty(width, np.float32),
        np.empty(width, np.float32),
    )
    framed, total = np.empty(columns + 1, np.float32), np.empty((3, width), np.float32)
    sums, coarse = np.empty((3, width), np.float32), np.zeros((2, width), np.float32)
    least = np.empty((3, width), np.float32)
    of_cb = (_ZERO, -to_rgb[1], to_rgb[3])
    of_cr = (to_rgb[0], -to_rgb[2], _ZERO)
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
            _luma(lumas[k][y], levels[0], levels[1], y_line)
            ends = np.uint32(upper), np.uint32(lower)
            for plane, line in ((cbs[k], cb), (crs[k], cr)):
                _chroma(plane[ends[0]], plane[ends[1]], way, levels[2], levels[3], index, part, framed, line)
            for first in range(0, width, _BLOCK):
                here = slice(first, min(first + _BLOCK, width))
                luma_here, cb_here, cr_here, done = y_line[here], cb[here], cr[here], settled[here]
                brighter = y_lines[(k & 1) ^ 1][here]
                if k < count - 1 and _beyond(luma_here, cb_here, cr_here, to_rgb, brighter, far[k]):
                    for c in range(3):
                        _forget(
                            luma_here, cb_here, cr_here, of_cb[c], of_cr[c], brighter, far[k],
                            total[c][here], sums[c][here], least[c][here], done,
                        )  # fmt: skip
                if not _all(done):
                    _add(
                        luma_here, cb_here, cr_here, to_rgb, light, weights[k], fade, floors[k], scales[k], sure[k],
                        done, total[0][here], total[1][here], total[2][here], sums[0][here], sums[1][here],
                        sums[2][here], least[0][here], least[1][here], least[2][here],
                    )  # fmt: skip
        for c in range(3):
            _divide(total[c], least[c], sums[c])
        if len(linear) > 0:
            for c in range(3):
                linear[y, :, c] = sums[c]
        if _to_output(sums[0], sums[1], sums[2], matrix, knee):
            _roll_off(sums[0], sums[1], sums[2], gain, knee)
        _code(sums[0], sums[1], sums[2], signal, luma, codes, out[0][y], coarse[0], coarse[1])
        if (y + 1) % down == 0 or y == height - 1:
            lines = np.float32(y % down + 1)
            per = _ONE / (lines * np.float32(across * across))
            _store_chroma(coarse[0], across, per, codes[2], codes[3], out[1][y // down])
            _store_chroma(coarse[1], across, per, codes[2], codes[3], out[2][y // down])
            coarse[:] = _ZERO
