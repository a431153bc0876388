"""Line charts as SVG: all that a report needs, without a plotting library in the installation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 14, 26
# Okabe and Ito's colours, which the colour-blind tell apart, dark enough for a light ground.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#333333", "#56b4e9")


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x_label: str = "frame"
) -> str:
    """Give an SVG element with a line per series.

    Args:
        series: name -> (x, y) in order of x; points that are not finite are left out.
        title: what is shown, with its unit.
        x_label: below the axis.
    """
    clean = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()}
    points = [point for line in clean.values() for point in line]
    if not points:
        return ""
    x_ticks, y_ticks = _ticks([x for x, _ in points]), _ticks([y for _, y in points])
    x_at = _scale(x_ticks, _LEFT, _WIDTH - _RIGHT)
    y_at = _scale(y_ticks, _HEIGHT - _BOTTOM, _TOP)
    grid = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_at(y):.1f}" y2="{y_at(y):.1f}" stroke="#ccc"/>'
        f'<text x="{_LEFT - 6}" y="{y_at(y) + 4:.1f}" text-anchor="end">{y:g}</text>'
        for y in y_ticks
    ) + "".join(
        f'<text x="{x_at(x):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{x:g}</text>' for x in x_ticks
    )
    lines = "".join(
        f'<polyline fill="none" stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-width="1.6" points="'
        + " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in line)
        + f'"><title>{escape(name)}</title></polyline>'
        for number, (name, line) in enumerate(clean.items())
    )
    legend = "".join(
        f'<li style="color:{_COLOURS[number % len(_COLOURS)]}">{escape(name)}</li>'
        for number, name in enumerate(clean)
    )
    return (
        f'<figure class="plot"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{grid}{lines}'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end" dy="-14">{escape(x_label)}</text></svg>'
        f"<ul>{legend}</ul></figure>"
    )


def _ticks(values: Sequence[float]) -> list[float]:
    """Four to eight round numbers that span the values."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def _scale(ticks: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    """Value -> place on the page."""
    return lambda value: float(np.interp(value, (ticks[0], ticks[-1]), (start, end)))
