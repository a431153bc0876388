"""Scenes in a sheet: under, over, Mertens, enfuse where it is installed, and ours, before and now.

    python tools/ten_scenes.py panoramas/*.hdr -o scenes.jpg --keep now/
    python tools/ten_scenes.py panoramas/*.hdr -o scenes.jpg --before earlier/

Earlier is a folder that --keep of another version wrote. A virtual camera looks into each panorama; both exposures are
of one instant. Above each picture stands what it keeps of highlights: what is clipped, and contrast; see docs/lcndr.md.
Nobody but the owner of a scene may publish its prints.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
from sheets import Rgb, sheet
from tool_options import help_of

from streamfuse.core.color import to_8_bit
from streamfuse.errors import InputNotFoundError
from streamfuse.lab.evaluate.baseline_stills import still_baselines
from streamfuse.lab.evaluate.extremes import ExtremesMeter
from streamfuse.lab.evaluate.film import film
from streamfuse.lab.evaluate.simulate import Simulation
from streamfuse.photo.still_fusion import Fuser


@click.command(help=help_of(__doc__))
@click.argument("scenes", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "output", type=click.Path(path_type=Path), required=True, help="The sheet.")
@click.option("--gap", default=4.0, show_default=True, help="EV between the exposures.")
@click.option("--width", default=640, show_default=True, help="Of what is fused.")
@click.option("--print-width", default=240, show_default=True, help="Of what is shown.")
@click.option("--instant", default=0, show_default=True, help="Of the camera's way, for another view.")
@click.option("--fuser", default="lcndr", show_default=True, help="Ours.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder that gets our pictures, for --before.")
@click.option("--before", type=click.Path(path_type=Path), help="Folder of our earlier pictures.")
def main(
    scenes: tuple[Path, ...],
    output: Path,
    gap: float,
    width: int,
    print_width: int,
    instant: int,
    fuser: str,
    keep: Path | None,
    before: Path | None,
) -> None:
    """Write the sheet, and print the measures."""
    ours = Fuser(fuser=fuser, device="cpu")
    lines = []
    for scene in scenes:
        clip = film(scene, Simulation(gaps_ev=(0.0, gap)), count=instant + 1, width=width)
        under, over = (to_8_bit(frame.rgb()) for frame in clip.exposures(instant))
        pictures = {"under": under, "over": over}
        baselines = still_baselines()
        pictures |= {
            name: baselines[name]([under, over]) for name in ("opencv-mertens", "enfuse") if name in baselines
        }
        if before is not None:
            pictures["before"] = _read(before / f"{scene.stem}.png")
        pictures["now"] = ours([under, over])
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(keep / f"{scene.stem}.png"), pictures["now"][..., ::-1])
        lines.append(_line(scene.stem, pictures, print_width))
    cv2.imwrite(str(output), np.vstack(lines)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    click.echo(f"{output}")


def _line(scene: str, pictures: dict[str, Rgb], width: int) -> Rgb:
    """One scene, its pictures beside each other, each with its name and what it keeps of highlights."""
    meter = ExtremesMeter((pictures["under"], pictures["over"]))
    prints = {}
    for name, picture in pictures.items():
        told = name
        if name not in ("under", "over"):
            found = meter.measure(picture)
            if found.clipped is not None and found.highlights_contrast is not None:
                told += f"  {100 * found.clipped:.1f} %  {found.highlights_contrast:.2f}"
            click.echo(f"{scene:24s} {name:16s} {found}")
        height = picture.shape[0] * width // picture.shape[1]
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        prints[told] = np.asarray(small, np.uint8)
    return sheet(prints, columns=len(prints))


def _read(path: Path) -> Rgb:
    picture = cv2.imread(str(path))
    if picture is None:
        raise InputNotFoundError(f"There is no picture {path}: make it with --keep of the earlier version.")
    return np.asarray(picture[..., ::-1], np.uint8)


if __name__ == "__main__":
    main()
