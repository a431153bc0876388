"""What each part of LCNDR is worth: gather the figures of the networks that configs/train-ablation.yaml trained.

    streamfuse train configs/train-ablation.yaml
    python tools/ablation.py runs/ablation --data ../shared/data --json benchmarks/ablation.json \\
        --crops docs/images/ablation.jpg

Validation figures are those in the weights' cards; noise gain and halo are measured here, on the darkest and brightest
exposure of the stacks that were held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt
from sheets import sheet
from tool_options import FIGURES, help_of

from streamfuse.core.color import planes_to_rgb
from streamfuse.core.output_file import write_json_file
from streamfuse.fusion.models import read_card
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.still_sets import evaluate_stills
from streamfuse.lab.train.train_config import load_train_config
from streamfuse.photo.still_fusion import Fuser
from streamfuse.synthetic.sample_source import open_sample

CONFIG = Path(__file__).resolve().parent.parent / "configs/train-ablation.yaml"
GAP_EV = 5
PLACE = np.s_[150:310, 300:520]  # of 540 x 960 pixels: the border of the window, and the wall beside it


def montage(files: Mapping[str, Path]) -> npt.NDArray[np.uint8]:
    """The same place of the built-in scene, (H, W, 3) RGB, at 150 %, fused by each network, five a row."""
    source = open_sample(f"sample:?size=960x540&gap={GAP_EV}")
    info = source.info
    pair = [planes_to_rgb(p, info.bits, info.subsampling, info.color) for p in source.exposures_at(20)]
    crops = {name: Fuser(fuser=str(file))(pair)[PLACE] for name, file in files.items()}
    larger = {
        name: np.asarray(cv2.resize(crop, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC), np.uint8)
        for name, crop in crops.items()
    }
    return sheet(larger, columns=5)


@click.command(help=help_of(__doc__))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Holds stills/train.")
@FIGURES
@click.option(
    "--crops", type=click.Path(path_type=Path), help="JPEG of one place of the built-in scene by each."
)
def main(folder: Path, data: Path, json_file: Path, crops: Path | None) -> None:
    """Measure and write."""
    run = load_train_config(CONFIG)
    files = {name: folder / f"{name}.safetensors" for name in run.networks}
    if crops is not None:
        cv2.imwrite(str(crops), montage(files)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    found = evaluate_stills(
        data / "stills/train",
        fusers=[str(file) for file in files.values()],
        names=run.held_back,
        exposures=2,
        speed=False,
        progress=lambda line: click.echo(line.split(":", 1)[0], err=True),
    )
    summary = found.summary()
    networks = {}
    for name, file in files.items():
        card = read_card(file)
        told = dict(item.split("=", 1) for item in card["validation"].split())
        measured = {key: summary[str(file)][key]["mean"] for key in ("noise_gain", "halo")}
        networks[name] = {key: float(value) for key, value in told.items()} | measured
    document = {
        "environment": describe_environment(),
        "steps": int(read_card(next(iter(files.values())))["steps"]),
        "networks": networks,
    }
    write_json_file(json_file, document)


if __name__ == "__main__":
    main()
