"""How much the tone of a fused picture changes when the picture is doubled, by its size.

    python tools/tone_by_size.py ../shared/data --json benchmarks/stills-tone.json

The darkest and brightest exposure of the stacks that were held back are brought to a long side of S and of 2 S pixels
and fused; the change is the difference between the means of both results, which lie in [0, 1].

- `reduced`: both come from the photograph, reduced by area, so that the larger one holds detail that the smaller one
  lacks; only photographs that are large enough.
- `enlarged`: the larger one is the smaller one, enlarged (bicubic).
- `one_more`: S and S + 1 pixels, both reduced from the photograph: what the padding does, and the step from one scale
  of the network to the next.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from tool_options import DATA, FIGURES, help_of

from streamfuse.core.frame import Map
from streamfuse.core.output_file import write_json_file
from streamfuse.fusion.fuser import LcndrFuser
from streamfuse.fusion.models import NETWORKS
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.still_measures import grey
from streamfuse.lab.evaluate.still_scores import find_scenes, read_scene
from streamfuse.lab.train.train_config import load_train_config

CONFIG = Path(__file__).resolve().parent.parent / "configs/train-lcndr.yaml"
LONG_SIDES = (16, 24, 32, 48, 64, 80, 96, 128, 160, 200, 240, 320, 400, 480, 600)  # before doubling
LIMIT = 0.01


def doubled(picture: Map, long_side: int) -> tuple[Map, Map]:
    """The picture with this long side and with its double, both reduced by area."""
    height, width = reduced(picture, long_side).shape
    large = cv2.resize(picture, (2 * width, 2 * height), interpolation=cv2.INTER_AREA)
    small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32), np.asarray(large, np.float32)


def reduced(picture: Map, long_side: int) -> Map:
    """The picture with this long side, reduced by area."""
    scale = long_side / max(picture.shape)
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def enlarged(picture: Map) -> Map:
    """Twice as large, bicubic, clipped."""
    return np.clip(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), 0, 1)


def tone(fuser: LcndrFuser, lumas: Sequence[Map]) -> float:
    """Mean of the fused picture, clipped to [0, 1]."""
    return float(np.clip(fuser.blend(lumas, fuser.weigh(lumas)), 0, 1).mean())


def measure(fuser: LcndrFuser, scenes: Sequence[Sequence[Map]], long_side: int) -> dict[str, Any]:
    """Changes of tone of the scenes of that size."""
    changes: dict[str, list[float]] = {"reduced": [], "enlarged": [], "one_more": []}
    for scene in scenes:
        if max(scene[0].shape) < long_side:
            continue
        small, large = zip(*(doubled(picture, long_side) for picture in scene), strict=True)
        own = tone(fuser, small)
        changes["enlarged"].append(abs(own - tone(fuser, [enlarged(picture) for picture in small])))
        if max(scene[0].shape) > long_side:
            near = [tone(fuser, [reduced(p, side) for p in scene]) for side in (long_side, long_side + 1)]
            changes["one_more"].append(abs(near[0] - near[1]))
        if max(scene[0].shape) >= 2 * long_side:
            changes["reduced"].append(abs(own - tone(fuser, large)))
    row: dict[str, Any] = {"fuser": fuser.name, "long_side": long_side}
    for kind, values in changes.items():
        row[kind] = {
            "scenes": len(values),
            "largest": max(values),
            "mean": sum(values) / len(values),
            "above_limit": sum(value > LIMIT for value in values),
        }
    return row


@click.command(help=help_of(__doc__))
@DATA
@FIGURES
def main(data: Path, json_file: Path) -> None:
    """Measure and write."""
    cv2.setNumThreads(1)
    held_back = load_train_config(CONFIG).held_back
    folders = [p for part in ("train", "reference") for p in find_scenes(data / "stills" / part, held_back)]
    scenes = [[grey(rgb) for rgb in read_scene(folder, count=2).exposures] for folder in folders]
    rows = []
    for name in NETWORKS:
        fuser = LcndrFuser(name, "cpu")
        for long_side in LONG_SIDES:
            rows.append(measure(fuser, scenes, long_side))
            click.echo(json.dumps(rows[-1]), err=True)
    document = {"environment": describe_environment(), "limit": LIMIT, "rows": rows}
    write_json_file(json_file, document)


if __name__ == "__main__":
    main()
