"""Compiled loops for colour: the arithmetic of `chroma`, one line at a time, in float32.

Chroma is in [-0.5, 0.5], luma in [0, 1]; `kr` and `kb` are the weights of R' and B' in luma.
"""

from __future__ import annotations

import numpy as np

from streamfuse.core.frame import Map, Plane
from streamfuse.core.jit import kernel
from streamfuse.fusion.band_rows import FAR, NEAR, between

_ZERO, _ONE, _TWO, _HALF = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
_MIN_VALUE = np.float32(1e-6)


@kernel
def _brightest(cb: np.float32, cr: np.float32, kr: np.float32, kb: np.float32) -> np.float32:
    """Largest of R', G', B', less luma."""
    red, blue = cr * _TWO * (_ONE - kr), cb * _TWO * (_ONE - kb)
    green = -(red * kr + blue * kb) / (_ONE - kr - kb)
    return max(red, green, blue)


@kernel
def seen(
    luma: Map, cb: Map, cr: Map, kr: np.float32, kb: np.float32, rule: Map, peak: Map, clipped: Map, tinted: Map,
    visible: Map, lacking: Map,
) -> None:  # fmt: skip
    """Tell how well one exposure shows its colour.

    Args:
        rule: as `chroma_factors`.
        peak: out, the largest of R', G' and B'.
        clipped: out, how far that is clipped, 0 to 1.
        tinted: out, how far the smallest is not, 0 to 1.
        visible: out, 1 where it is neither clipped nor in the noise.
        lacking: that is taken off here.
    """
    start, per_clip = rule[0], _ONE / (rule[1] - rule[0])
    noise_start, per_noise = rule[2], _ONE / (rule[3] - rule[2])
    white, per_tint = rule[12], _ONE / (rule[12] - rule[11])
    for i in range(len(peak)):
        peak[i] = luma[i] + _brightest(cb[i], cr[i], kr, kb)
        clipped[i] = min(max((peak[i] - start) * per_clip, _ZERO), _ONE)
        smallest = luma[i] - _brightest(-cb[i], -cr[i], kr, kb)
        tinted[i] = min(max((white - smallest) * per_tint, _ZERO), _ONE)
        visible[i] = (_ONE - clipped[i]) * min(max((luma[i] - noise_start) * per_noise, _ZERO), _ONE)
        lacking[i] -= visible[i]


@kernel
def raised_share(
    luma: Map, weight: Map, target: Map, peak: Map, clipped: Map, tinted: Map, visible: Map, others: Map, lacking: Map,
    rule: Map, total: Map, top: Map, out: Map,
) -> None:  # fmt: skip
    """Weight x visibility of one exposure times what its chroma is raised by.

    Args:
        peak, clipped, tinted, visible: see `seen`.
        others: how far all other exposures are clipped, 0 to 1.
        lacking: 1 less what all exposures show.
        rule: as `chroma_factors`.
        total, top: the share, and its product with the largest channel, are added to them.
    """
    for i in range(len(out)):
        partly = rule[10] * max(lacking[i], _ZERO) * clipped[i] * tinted[i]
        ratio = max(target[i] - rule[6], _ZERO) / max(luma[i], np.float32(1e-4))
        near = min(max(rule[13] * ratio, rule[14]), _ONE)
        held = _ONE - clipped[i] * (_ONE - near * near * near * near)
        share = (visible[i] + (rule[4] + partly) * held) * weight[i]
        total[i] += share
        top[i] += share * peak[i]
        root = np.sqrt(ratio)
        raised = min(max(root + rule[9] * others[i] * (ratio - root), _ONE), rule[5])
        out[i] = share * raised * (_ONE - clipped[i] * (_ONE - near))


@kernel
def add_product(share: Map, values: Map, out: Map) -> None:
    """out += share x values."""
    for i in range(len(out)):
        out[i] += share[i] * values[i]


@kernel
def _fitting(difference: np.float32, room: np.float32) -> np.float32:
    """Tell how many times a difference to luma may be taken before the channel has no more room below luma."""
    return room / max(-difference, _MIN_VALUE)


@kernel
def gamut_scale(
    target: Map,
    sums: Map,
    total: Map,
    kr: np.float32,
    kb: np.float32,
    rule: Map,
    top: Map,
    scale: Map,
    brightest: Map,
) -> None:
    """What keeps all channels of the sums of Cb and Cr (2, w) / total above -slack, / total; the largest channel then.

    Args:
        rule: as `chroma_factors`.
        top: sum of the exposures' largest channels; becomes by how much a channel may be above luma.
    """
    white, slack = rule[7], rule[8]
    for i in range(len(scale)):
        per = _ONE / total[i]
        red, blue = sums[1, i] * per * _TWO * (_ONE - kr), sums[0, i] * per * _TWO * (_ONE - kb)
        green = -(red * kr + blue * kb) / (_ONE - kr - kb)
        room = target[i] + slack
        fit = min(_fitting(red, room), _fitting(green, room), _fitting(blue, room), _ONE)
        brightest[i] = target[i] + fit * max(red, green, blue)
        scale[i] = fit * per
        room = max(min(max(top[i] * per, white), _ONE), (target[i] + _ONE) * _HALF) - target[i] + slack
        if brightest[i] <= _ONE + slack:
            scale[i] *= min(room / max(brightest[i] - target[i], _MIN_VALUE), _ONE)
        top[i] = room


@kernel
def _cut_off(
    luma: np.float32, cb: np.float32, cr: np.float32, kr: np.float32, kb: np.float32, top: np.float32
) -> tuple[np.float32, np.float32]:
    """Chroma of which a channel is above the top: that is cut off, and white makes up for its luma."""
    kg = _ONE - kr - kb
    red, blue = cr * _TWO * (_ONE - kr), cb * _TWO * (_ONE - kb)
    green = -(red * kr + blue * kb) / kg
    r, g, b = min(luma + red, top), min(luma + green, top), min(luma + blue, top)
    lit = kr * r + kg * g + kb * b
    white = (luma - lit) / max(top - lit, _MIN_VALUE)
    red, blue = r + (top - r) * white - luma, b + (top - b) * white - luma
    return blue * _HALF / (_ONE - kb), red * _HALF / (_ONE - kr)


@kernel
def gamut_shift(
    target: Map,
    sums: Map,
    scale: Map,
    brightest: Map,
    kr: np.float32,
    kb: np.float32,
    top: np.float32,
    room: Map,
    out: Map,
) -> None:
    """What has to be added to scale x sums, Cb and Cr (2, w), where a channel would be above the top.

    `room`: by how much the channels may be above luma, see `gamut_scale`.
    """
    for i in range(len(scale)):
        out[0, i], out[1, i] = _ZERO, _ZERO
        if brightest[i] > top:
            cb, cr = sums[0, i] * scale[i], sums[1, i] * scale[i]
            new_cb, new_cr = _cut_off(target[i], cb, cr, kr, kb, top)
            fit = min(room[i] / max(_brightest(new_cb, new_cr, kr, kb), _MIN_VALUE), _ONE)
            out[0, i], out[1, i] = fit * new_cb - cb, fit * new_cr - cr


@kernel
def multiply(values: Map, by: Map) -> None:
    """values *= by."""
    for i in range(len(values)):
        values[i] *= by[i]


@kernel
def _enlarged(near: Map, far: Map, times: np.float32, out: Map) -> None:
    """A coarse line, doubled, times a number: every second pixel of it."""
    for i in range(len(out)):
        out[i] = (NEAR * near[i] + FAR * far[i]) * times


@kernel
def _add_scaled(plane: Plane, near: Map, far: Map, neutral: np.float32, out: Map) -> None:
    """Every second pixel of a line of chroma, over neutral, times a coarse line, doubled."""
    for i in range(len(out)):
        out[i] += (NEAR * near[i] + FAR * far[i]) * (np.float32(plane[2 * i]) - neutral)


@kernel
def _store(values: Map, offset: np.float32, low: np.float32, high: np.float32, out: Plane) -> None:
    for i in range(len(values)):
        out[2 * i] = min(max(values[i] + offset, low), high)


@kernel
def weighted_chroma(
    planes: tuple[Plane, Plane],
    factors: Map,
    shift: Map,
    neutral: np.float32,
    unit: np.float32,
    low: np.float32,
    high: np.float32,
    out: Plane,
) -> None:
    """neutral + sum of factor x (plane - neutral) + unit x shift, rounded and clipped to [low, high].

    Args:
        planes: two exposures of Cb or Cr, (h, w).
        factors: (2, ceil(h / 2), ceil(w / 2)).
        shift: of the same size, in [-1, 1].
        neutral, unit, low, high: code values.
        out: (h, w).
    """
    height, width = out.shape
    rows = factors.shape[1]
    framed = np.empty((3, factors.shape[2] + 2), np.float32)
    total = np.empty(factors.shape[2], np.float32)
    for y in range(height):
        j = y // 2
        other = min(max(j + 2 * (y % 2) - 1, 0), rows - 1)
        for k in range(2):
            between(factors[k, j], factors[k, other], framed[k])
        between(shift[j], shift[other], framed[2])
        for p in range(2):
            count = (width + 1 - p) // 2
            part = total[:count]
            _enlarged(framed[2, 1:], framed[2, 2 * p :], unit, part)
            for k in range(2):
                _add_scaled(planes[k][y, p:], framed[k, 1:], framed[k, 2 * p :], neutral, part)
            _store(part, neutral + _HALF, low, high, out[y, p:])


@kernel
def mixed_chroma(
    colours: Map, factors: Map, shifts: Map, neutral: np.float32, unit: np.float32, low: np.float32, high: np.float32,
    out: Plane,
) -> None:  # fmt: skip
    """neutral + unit x (sum of factor x chroma + shift), rounded and clipped to [low, high].

    Args:
        colours: Cb and Cr of each exposure, (N, 2, h, w).
        factors, shifts: as `chroma_factors` makes them, of the same size.
        neutral, unit, low, high: code values.
        out: (2, h, w).
    """
    total = np.empty(out.shape[2], np.float32)
    for channel in range(2):
        for y in range(out.shape[1]):
            shift, line = shifts[channel, y], out[channel, y]
            for i in range(len(total)):
                total[i] = shift[i]
            for k in range(len(colours)):
                add_product(factors[k, y], colours[k, channel, y], total)
            for i in range(len(total)):
                line[i] = min(max(neutral + unit * total[i] + _HALF, low), high)


@kernel
def chroma_factors(
    lumas: Map,
    chroma: Map,
    target: Map,
    weights: Map,
    kr: np.float32,
    kb: np.float32,
    rule: Map,
    out: Map,
    shifts: Map,
) -> None:
    """Factor a_k of each exposure's chroma in the fused picture's: C = sum_k a_k C_k + shift.

    Args:
        lumas: (N, h, w).
        chroma: (N, 2, h, w), Cb and Cr.
        target: fused luma (h, w).
        weights: (N, h, w).
        rule: of `chroma`: at 0 and 1 where an exposure's colour begins to fade as it clips, and is gone, at 2 and 3 the
            same for noise; the floor; the limit of what chroma is raised by; luma of one code; what a channel may have
            in any case; how far beyond its range it may be; the share of the way to the full ratio where all others are
            clipped; what a clipped exposure counts where none shows the colour, and, at 11 and 12, up to which smallest
            channel, and from which on it does not; how many times the fused luma it may have to count in full, and the
            least share of that.
        out: (N, h, w).
        shifts: out, (2, h, w).
    """
    count, height, width = lumas.shape
    total, top = np.empty(width, np.float32), np.empty(width, np.float32)
    scale, brightest = np.empty(width, np.float32), np.empty(width, np.float32)
    sums = np.empty((2, width), np.float32)
    peak, clipped = np.empty((count, width), np.float32), np.empty((count, width), np.float32)
    tinted, visible = np.empty((count, width), np.float32), np.empty((count, width), np.float32)
    others, lacking = np.empty(width, np.float32), np.empty(width, np.float32)
    for j in range(height):
        total[:] = _MIN_VALUE
        top[:] = _ZERO
        sums[:] = _ZERO
        lacking[:] = _ONE
        for k in range(count):
            cb, cr = chroma[k, 0, j], chroma[k, 1, j]
            seen(lumas[k, j], cb, cr, kr, kb, rule, peak[k], clipped[k], tinted[k], visible[k], lacking)
        for k in range(count):
            cb, cr = chroma[k, 0, j], chroma[k, 1, j]
            others[:] = _ONE
            for n in range(count):
                if n != k:
                    multiply(others, clipped[n])
            colour = peak[k], clipped[k], tinted[k], visible[k]
            raised_share(
                lumas[k, j], weights[k, j], target[j], *colour, others, lacking, rule, total, top, out[k, j]
            )
            add_product(out[k, j], cb, sums[0])
            add_product(out[k, j], cr, sums[1])
        gamut_scale(target[j], sums, total, kr, kb, rule, top, scale, brightest)
        gamut_shift(target[j], sums, scale, brightest, kr, kb, _ONE + rule[8], top, shifts[:, j])
        for k in range(count):
            multiply(out[k, j], scale)
