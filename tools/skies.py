"""What fused frames of alternating footage keep of skies, beside enfuse and Mertens given the same aligned frames.

    python tools/skies.py ../shared/data/video/bride --json benchmarks/skies.json
    python tools/skies.py clip.mp4 --json skies.json --strip strip.png

Each frame is aligned by the pipeline; what it fuses, the others fuse, too. The measures are those of highlights of
`streamfuse evaluate stills`, against the aligned dark exposure.

Flicker: mean of |a - 2 b + c|, a, b, c the luma of a pixel in three frames that follow each other, where it lies in the
sky in all three, 5 pixels or more from its border; in percent of the sky's mean luma, so that a brighter sky does not
count as one that flickers more. A camera that moves is in it, too: read it beside that of the aligned dark exposure.
`level` is the same of the mean luma of those pixels. `--strip` writes one column over time, each method below the last.
Nobody but the owner of a clip may publish it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from tool_options import FIGURES, help_of

from streamfuse.cli.common_options import ONE_PRESET
from streamfuse.config import load_config
from streamfuse.core.color import to_8_bit
from streamfuse.core.frame import Map, Rgb
from streamfuse.core.output_file import write_json_file
from streamfuse.lab.evaluate.baseline_stills import still_baselines
from streamfuse.lab.evaluate.beside import beside_exposures
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.extremes import ExtremesMeter
from streamfuse.lab.evaluate.still_measures import grey
from streamfuse.runtime.sources import open_source

PEERS = ("opencv-mertens", "enfuse")
DARK = "aligned dark exposure"
MARGIN = 5  # pixels from the border of the sky


@click.command(help=help_of(__doc__))
@click.argument("clip", type=click.Path(path_type=Path, exists=True))
@FIGURES
@ONE_PRESET
@click.option("--frames", type=click.IntRange(3), help="So many from the beginning; all otherwise.")
@click.option("--strip", type=click.Path(path_type=Path), help="Picture of one column over time.")
def main(clip: Path, json_file: Path, preset: str, frames: int | None, strip: Path | None) -> None:
    """Fuse, measure and write."""
    config = load_config("default").with_overrides(preset=preset)
    baselines = still_baselines()
    peers = {name: baselines[name] for name in PEERS if name in baselines}
    rows: list[dict[str, Any]] = []
    flicker: dict[str, Flicker] = {}
    columns: dict[str, list[Rgb]] = {}
    column = -1
    environment = {"data": clip.name, "preset": config.fuse.preset, **describe_environment()}
    with open_source(clip) as source:
        for fused, exposures, rank in beside_exposures(source, config):
            pictures = {"streamfuse": to_8_bit(fused.rgb())}
            pictures |= {name: fuse(exposures) for name, fuse in peers.items()}
            meter = ExtremesMeter(exposures)
            if column < 0:
                column = int(meter.highlights.sum(0).argmax())
            row: dict[str, Any] = {"frame": fused.index, "reference": rank}
            for name, picture in pictures.items():
                row[name] = measured(meter, picture)
            rows.append(row)
            sky = inner(meter.highlights)
            for name, picture in ({DARK: exposures[0]} | pictures).items():
                flicker.setdefault(name, Flicker()).add(grey(picture), sky)
                columns.setdefault(name, []).append(picture[:, column])
            click.echo(f"{fused.index}: " + ", ".join(f"{n} {_told(row[n])}" for n in pictures))
            # After every frame, so that a run that is ended early is not lost.
            write_json_file(json_file, figures(environment, rows, flicker))
            if len(rows) == frames:
                break
    if strip is not None:
        cv2.imwrite(str(strip), np.concatenate([np.stack(c, 1) for c in columns.values()])[:, :, ::-1])


def figures(
    environment: Mapping[str, str], rows: list[dict[str, Any]], flicker: Mapping[str, Flicker]
) -> dict[str, Any]:
    """Give what the JSON holds: means of each method, frames in which ours keeps less than enfuse, and all rows."""
    methods = [name for name in flicker if name != DARK]
    return {
        "environment": environment,
        "frames": len(rows),
        "means": {name: mean_of([row[name] for row in rows]) for name in methods},
        "less_contrast_than_enfuse": _behind(rows),
        "flicker": {name: found.figures() for name, found in flicker.items()},
        "rows": rows,
    }


def measured(meter: ExtremesMeter, picture: Rgb) -> dict[str, float | None]:
    """Give what counts in skies, and what leaves the exposures, rounded."""
    found = meter.measure(picture)
    values = {
        "contrast": found.highlights_contrast, "clipped": found.clipped, "hue": found.hue,
        "saturation": found.saturation, "darker": found.darker, "brighter": found.brighter,
    }  # fmt: skip
    return {name: None if value is None else round(value, 4) for name, value in values.items()}


def mean_of(rows: list[dict[str, float | None]]) -> dict[str, float]:
    """Give the mean of each measure over the frames that have it."""
    found = {}
    for name in rows[0]:
        known = [value for row in rows if (value := row[name]) is not None]
        if known:
            found[name] = float(np.mean(known))
    return found


def inner(sky: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Give (H, W) without what is within `MARGIN` pixels of the border."""
    side = 2 * MARGIN + 1
    return cv2.erode(sky.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


class Flicker:
    """Second differences over time in what is sky in three frames that follow each other."""

    def __init__(self) -> None:
        self._last: list[tuple[Map, Any]] = []
        self._pixels: list[float] = []
        self._levels: list[float] = []

    def add(self, luma: Map, sky: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        """Take the next frame: luma (H, W) in [0, 1], and where the sky is."""
        self._last = [*self._last[-2:], (luma, sky)]
        if len(self._last) < 3:
            return
        place = np.logical_and.reduce([one for _, one in self._last])
        if not place.any():
            return
        first, middle, last = (one[place].astype(np.float64) for one, _ in self._last)
        scale = 100 / max(float(middle.mean()), 1e-6)
        change = first - 2 * middle + last
        self._pixels.append(scale * float(np.abs(change).mean()))
        self._levels.append(scale * abs(float(change.mean())))

    def figures(self) -> dict[str, float]:
        """Give means over time, percent of the sky's luma."""
        return {"pixels": _mean(self._pixels), "level": _mean(self._levels), "instants": len(self._pixels)}


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _behind(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Numbers of the frames in which ours keeps less contrast than enfuse."""
    return [
        row["frame"]
        for row in rows
        if "enfuse" in row
        and None not in (row["enfuse"]["contrast"], row["streamfuse"]["contrast"])
        and row["streamfuse"]["contrast"] < row["enfuse"]["contrast"]
    ]


def _told(measures: Mapping[str, float | None]) -> str:
    return "-" if measures["contrast"] is None else f"{measures['contrast']:.3f}"


if __name__ == "__main__":
    main()
