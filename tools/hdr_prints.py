"""Prints of merged light, side by side: what was filmed, each way to ordinary screens, and HLG on a player without HDR.

    python tools/hdr_prints.py -o prints/                            the built-in scene
    python tools/hdr_prints.py panoramas/*.hdr -o prints/ --gap 5    scenes of one's own, filmed by a virtual camera
    python tools/hdr_prints.py -o prints/ --width 288 --together docs/images/hdr-scenes.jpg

Nobody but the owner of a scene may publish its prints.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click
import cv2
import numpy as np
from sheets import Rgb, sheet
from tool_options import help_of

from streamfuse.config import Config
from streamfuse.core.color import to_8_bit
from streamfuse.core.frame import FusedFrame
from streamfuse.core.protocols import Source
from streamfuse.imaging import hdr_transfer
from streamfuse.imaging.photometric import GAMMA
from streamfuse.lab.evaluate.film import film
from streamfuse.lab.evaluate.simulate import Simulation
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through
from streamfuse.synthetic.sample_source import open_sample

FRAMES, SHOWN = 8, 4
TEN = tuple(f"sample:?seed={seed}&gap={gap}" for seed, gap in enumerate((2, 3, 4, 5, 6, 3, 4, 5, 6, 7)))
WAYS: dict[str, dict[str, str]] = {
    "fused (balanced)": {},
    "--fuser radiance": {"fuser": "radiance"},
    "--fuser radiance-local": {"fuser": "radiance-local"},
    "--hdr hlg, as a player without HDR shows it": {"hdr": "hlg"},
}


@click.command(help=help_of(__doc__))
@click.argument("scenes", nargs=-1)
@click.option("-o", "folder", type=click.Path(path_type=Path), required=True, help="Where to.")
@click.option("--gap", default=4.0, show_default=True, help="EV between the exposures of the scenes.")
@click.option("--width", default=480, show_default=True, help="Of each picture.")
@click.option(
    "--together",
    type=click.Path(path_type=Path),
    help="A picture of all scenes, too, a line for each; without SCENES of ten, at 2 to 7 EV.",
)
def main(scenes: tuple[str, ...], folder: Path, gap: float, width: int, together: Path | None) -> None:
    """Write a sheet for each scene."""
    lines = []
    for number, scene in enumerate(scenes or (("sample:?seed=0",) if together is None else TEN)):
        taken = [to_8_bit(frame.rgb()) for frame in islice(opened(scene, gap, width), SHOWN, SHOWN + 2)]
        pictures = {"one exposure": taken[0], "the other": taken[1]}
        for name, options in WAYS.items():
            chain = build_chain(Config().with_overrides(**options))
            fused = islice(through(chain.line, opened(scene, gap, width)), SHOWN, SHOWN + 1)
            pictures[name] = next(shown(frame) for frame in fused)
        name = f"built-in-{number}" if scene.startswith("sample:") else Path(scene).stem
        write(folder / f"{name}.jpg", sheet(pictures))
        lines.append(sheet(pictures, columns=len(pictures)))
    if together is not None:
        write(together, np.vstack(lines))


def shown(frame: FusedFrame) -> Rgb:
    """A frame on an ordinary screen, whatever its transfer function: only its primaries are honoured."""
    rgb = frame.rgb()
    if frame.color.primaries != hdr_transfer.BT2020:
        return to_8_bit(rgb)
    light = (rgb / np.float64(np.iinfo(rgb.dtype).max)) ** GAMMA
    here = np.clip(light @ hdr_transfer.between_primaries(hdr_transfer.BT2020, hdr_transfer.BT709).T, 0, 1)
    return np.asarray(np.rint(255 * here ** (1 / GAMMA)), np.uint8)


def write(path: Path, picture: Rgb) -> None:
    """A JPEG, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    click.echo(f"{path}")


def opened(scene: str, gap: float, width: int) -> Source:
    """A few frames of a scene."""
    if scene.startswith("sample:"):
        return open_sample(f"{scene}&frames={FRAMES}&size={width}x{width * 9 // 16}")
    return film(Path(scene), Simulation(gaps_ev=(0.0, gap)), count=FRAMES, width=width)


if __name__ == "__main__":
    main()
