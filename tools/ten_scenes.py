"""Scenes in a sheet: under, over, Mertens, enfuse where it is installed, and ours, before and now.

    python tools/ten_scenes.py -o scenes.jpg --before ab759a0
    python tools/ten_scenes.py panoramas/*.hdr -o scenes.jpg --keep now/

Without names they are the ten of procedural_scenes.py, which may be shown; nobody but the owner of a panorama may
publish its prints. A virtual camera looks into a panorama; both exposures are of one instant. Before is a commit of
this repository, whose `streamfuse still` fuses the same exposures with the packages of this environment, or a folder
that --keep of another version wrote. Above each picture stands what it keeps of highlights: what is clipped, and
contrast; see docs/lcndr.md.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import torch
from figures_parts import ROOT
from procedural_scenes import SCENES, made
from sheets import Rgb, sheet
from tool_options import help_of

from streamfuse.core.color import to_8_bit
from streamfuse.core.output_file import write_json_file
from streamfuse.errors import InputNotFoundError
from streamfuse.lab.evaluate.baseline_stills import still_baselines
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.extremes import ExtremesMeter
from streamfuse.lab.evaluate.film import film
from streamfuse.lab.evaluate.mef_ssim import MefSsim
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation
from streamfuse.lab.evaluate.still_measures import grey
from streamfuse.photo.still_fusion import Fuser


@click.command(help=help_of(__doc__))
@click.argument("scenes", nargs=-1)
@click.option("-o", "output", type=click.Path(path_type=Path), required=True, help="The sheet.")
@click.option("--gap", default=4.0, show_default=True, help="EV between the exposures.")
@click.option("--width", default=640, show_default=True, help="Of what is fused, of a panorama.")
@click.option("--print-width", default=240, show_default=True, help="Of what is shown.")
@click.option("--instant", default=0, show_default=True, help="Of the camera's way, for another view.")
@click.option("--fuser", default="lcndr", show_default=True, help="Ours.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder that gets our pictures, for --before.")
@click.option("--before", metavar="COMMIT|FOLDER", help="Our earlier version, or its pictures.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write the figures here.")
def main(
    scenes: tuple[str, ...],
    output: Path,
    gap: float,
    width: int,
    print_width: int,
    instant: int,
    fuser: str,
    keep: Path | None,
    before: str | None,
    json_path: Path | None,
) -> None:
    """Write the sheet, and print the measures."""
    ours, baselines = Fuser(fuser=fuser, device="cpu"), still_baselines()
    rows: list[dict[str, Any]] = []
    lines = []
    for scene in scenes or tuple(SCENES):
        simulation = Simulation(gaps_ev=(0.0, gap))
        if scene in SCENES:
            name, clip = scene, SimulatedClip([made(scene)] * (instant + 1), simulation)
        else:
            name, clip = Path(scene).stem, film(scene, simulation, count=instant + 1, width=width)
        under, over = (to_8_bit(frame.rgb()) for frame in clip.exposures(instant))
        pictures = {
            label: baselines[key]([under, over])
            for label, key in (("Mertens", "opencv-mertens"), ("enfuse", "enfuse"))
            if key in baselines
        }
        if before is not None:
            pictures["before"] = _earlier(before, name, {"under": under, "over": over}, fuser)
        pictures["now"] = ours([under, over])
        _write(keep, {name: pictures["now"]})
        measured = {label: _measured((under, over), picture) for label, picture in pictures.items()}
        for label, found in measured.items():
            rows.append({"scene": name, "method": label, **found})
            click.echo(
                f"{name:24s} {label:8s} " + "  ".join(f"{k} {v}" for k, v in found.items() if v is not None)
            )
        lines.append(_line(name, {"under": under, "over": over} | pictures, measured, print_width))
    cv2.imwrite(str(output), np.vstack(lines)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    if json_path is not None:
        config = {"gap_ev": gap, "fuser": fuser, "before": before}
        write_json_file(json_path, {"environment": describe_environment(), "config": config, "rows": rows})
    click.echo(f"{output}")


def _measured(exposures: tuple[Rgb, Rgb], picture: Rgb) -> dict[str, float | None]:
    """What a picture keeps: MEF-SSIM, and all of `Extremes`; rounded, for they are printed."""
    greys = np.stack([grey(rgb) for rgb in exposures])
    meter = MefSsim(torch.from_numpy(greys)[None].double())
    likeness = float(meter(torch.from_numpy(grey(picture))[None, None].double())[0])
    found = {"mef_ssim": likeness, **asdict(ExtremesMeter(exposures).measure(picture))}
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def _line(
    scene: str, pictures: dict[str, Rgb], measured: dict[str, dict[str, float | None]], width: int
) -> Rgb:
    """One scene, its pictures beside each other, each with its name and what it keeps of highlights."""
    prints = {}
    for number, (name, picture) in enumerate(pictures.items()):
        told = name if number else f"{scene}: {name}"
        found = measured.get(name, {})
        clipped, contrast = found.get("clipped"), found.get("highlights_contrast")
        if clipped is not None and contrast is not None:
            told += f"  {100 * clipped:.1f} %  {contrast:.2f}"
        height = picture.shape[0] * width // picture.shape[1]
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        prints[told] = np.asarray(small, np.uint8)
    return sheet(prints, columns=len(prints))


def _write(folder: Path | None, pictures: dict[str, Rgb]) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            cv2.imwrite(str(folder / f"{name}.png"), picture[..., ::-1])


def _earlier(before: str, name: str, exposures: dict[str, Rgb], fuser: str) -> Rgb:
    """Our earlier picture: read from a folder, or made by the code of a commit."""
    if Path(before).is_dir():
        return _read(Path(before) / f"{name}.png")
    with tempfile.TemporaryDirectory(prefix="streamfuse-earlier-") as folder:
        code = subprocess.run(
            ["git", "archive", before, "streamfuse"], check=True, capture_output=True, cwd=ROOT
        )
        subprocess.run(["tar", "-x", "-C", folder], check=True, input=code.stdout)
        _write(Path(folder), exposures)
        inputs = [f"{label}.png" for label in exposures]
        still = ["still", *inputs, "-o", "fused.png", "--fuser", fuser, "--device", "cpu", "--quiet"]
        subprocess.run([sys.executable, "-m", "streamfuse", *still], check=True, cwd=folder)
        return _read(Path(folder) / "fused.png")


def _read(path: Path) -> Rgb:
    picture = cv2.imread(str(path))
    if picture is None:
        raise InputNotFoundError(f"There is no picture {path}: make it with --keep of an earlier version.")
    return np.asarray(picture[..., ::-1], np.uint8)


if __name__ == "__main__":
    main()
