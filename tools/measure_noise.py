"""How much noise the shadows of fused frames keep: the pipeline, and each instant fused alone.

    python tools/measure_noise.py --json benchmarks/video-noise.json

The scene is the built-in one, whose every instant is known without noise. Noise is the standard deviation of the
difference to the fusion of both clean exposures, without its slow parts (misalignment, tone), where the bright exposure
is dark; the spread is taken from the median absolute difference, so that a few wrong places do not count. One instant
alone is the fusion of both noisy exposures of that instant, which no camera delivers; "brought up" is the dark frame by
itself, in the bright one's scale.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt
from tool_options import FIGURES, help_of

from streamfuse.config import Config
from streamfuse.core.frame import Plane
from streamfuse.core.output_file import write_json_file
from streamfuse.fusion.fuser import create_fuser
from streamfuse.fusion.stage import fuse_planes
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through
from streamfuse.synthetic.sample_source import SampleSource

FRAMES = 14
SHADOW = 80  # code values of the bright exposure
SLOW = 3.0  # pixels: what is smoother is no noise


def noise(fused: Plane, clean: Plane, where: npt.NDArray[np.bool_]) -> float:
    """Standard deviation in code values, from the median absolute deviation."""
    difference = fused.astype(np.float32) - clean.astype(np.float32)
    fast = (difference - cv2.GaussianBlur(difference, (0, 0), SLOW))[where]
    return float(1.4826 * np.median(np.abs(fast)))


def brought_up(dark: Plane, gap_ev: float) -> Plane:
    """Luma of the dark exposure in the bright one's scale: limited range, gamma 2.2."""
    black = 16.0
    return np.asarray(
        (dark - np.float32(black)) * np.float32(2 ** (gap_ev / 2.2)) + np.float32(black), np.float32
    )


def measure(gap_ev: float, align: str) -> dict[str, float]:
    """Noise of the pipeline for dark and bright references, and of single instants; means over the frames."""
    config = Config().with_overrides(align=align)
    source = SampleSource(640, 360, FRAMES, gap_ev=gap_ev)
    fuser = create_fuser(config.fuser_name, preset=config.fuse.preset, device="cpu")
    kinds = ("dark reference", "bright reference", "one instant", "brought up")
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    chain = build_chain(config)
    for frame in through(chain.line, source):
        clean = source.exposures_at(frame.index)
        noisy = source.exposures_at(frame.index, noisy=True)
        wanted = fuse_planes(fuser, clean, frame.bits, frame.color)[0]
        alone = fuse_planes(fuser, noisy, frame.bits, frame.color)[0]
        where = clean[1][0] < SHADOW
        found["bright reference" if source.rank(frame.index) else "dark reference"].append(
            noise(frame.planes[0], wanted, where)
        )
        found["one instant"].append(noise(alone, wanted, where))
        dark = source.exposures_at(frame.index - source.rank(frame.index), noisy=True)[0][0]
        bright = source.exposures_at(frame.index - source.rank(frame.index))[1][0]
        found["brought up"].append(noise(brought_up(dark, gap_ev), bright, where))
    return {name: float(np.mean(values)) for name, values in found.items()}


@click.command(help=help_of(__doc__))
@FIGURES
def main(json_file: Path) -> None:
    """Measure and write."""
    rows = [
        {"gap_ev": gap_ev, "align": align, **measure(gap_ev, align)}
        for gap_ev in (3.0, 5.0)
        for align in ("flow", "off")
    ]
    document = {"environment": describe_environment(), "unit": "8-bit code values", "rows": rows}
    write_json_file(json_file, document)
    for row in rows:
        click.echo(row)


if __name__ == "__main__":
    main()
