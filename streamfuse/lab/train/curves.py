"""The course of a training run as a page of charts, drawn from its log."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from streamfuse.core.output_file import write_bytes_file
from streamfuse.lab.evaluate.plot import line_chart

_WINDOW = 50  # steps that a point of a curve is the mean of


def write_curves(log: Path, page: Path) -> None:
    """Write one chart per term of the objective, a line per network, smoothed over 50 steps.

    Args:
        log: `log.csv` of a run: step, network, and a column per term.
        page: the HTML file to write.

    Raises:
        OutputError: the page cannot be written.
    """
    values: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    with log.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                step, network = float(row.pop("step")), row.pop("network")
                terms = {term: float(value) for term, value in row.items()}
            except (LookupError, TypeError, ValueError):  # a line that was cut off when a run was ended
                continue
            for term, value in terms.items():
                values[term][network].append((step, value))
    charts = [
        line_chart({name: _smooth(points) for name, points in lines.items()}, title=term, x_label="step")
        for term, lines in values.items()
    ]
    text = "<!doctype html><meta charset='utf-8'><title>Training</title>" + "".join(charts)
    write_bytes_file(page, text.encode())


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of `_WINDOW` points each; the last may be of fewer."""
    chunks = [points[first : first + _WINDOW] for first in range(0, len(points), _WINDOW)]
    return [(chunk[-1][0], float(np.mean([value for _, value in chunk]))) for chunk in chunks]
