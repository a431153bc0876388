"""The pictures of docs/look.md, and what a look costs beside the fusion of a frame.

    python tools/look.py --picture docs/images/looks.jpg --json benchmarks/look.json

The picture is of the built-in scene, fused by `balanced`: off and natural above, vivid and flat below. The cost is
processor time per frame of the same scene, of the look beside the fusion (medians, by turns in one thread) and the
encoding as H.264 with the settings of `fuse`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import click
import cv2
import numpy as np
from tool_options import help_of

from streamfuse.cli.common_options import JSON_FILE, PRESETS
from streamfuse.config import Config
from streamfuse.core.frame import FusedFrame
from streamfuse.core.output_file import write_json_file
from streamfuse.core.values import LOOKS
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.look.look import Look
from streamfuse.look.stage import LookStage
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through
from streamfuse.runtime.sinks import open_sink
from streamfuse.runtime.sources import open_source

SIZES = ("640x360", "1280x720")
FRAMES, WARM = 36, 20  # exposures are known, and loops compiled, after the first ones


def lut(folder: Path, size: int = 33) -> Path:
    """A LUT of the usual size that warms the picture a little."""
    axis = np.linspace(0, 1, size)
    rows = [f"{r**0.95:.6f} {g:.6f} {b**1.1:.6f}\n" for b in axis for g in axis for r in axis]
    path = folder / "warm.cube"
    path.write_text(f"LUT_3D_SIZE {size}\n" + "".join(rows))
    return path


def encoding(size: str, folder: Path) -> float:
    """Milliseconds of the processor to encode a frame, in all threads."""
    with open_source(f"sample:?frames={FRAMES}&size={size}") as source:
        chain = build_chain(Config().with_overrides(preset="fast"))
        frames = list(through(chain.line, source))
        sink = open_sink(folder / f"{size}.mp4", source.info, source.info.rate)
    began = time.process_time()
    for frame in frames:
        sink.write(frame)
    sink.close()
    return 1e3 * (time.process_time() - began) / len(frames)


def fused(size: str, preset: str, looks: dict[str, Look]) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds of the processor for each frame: of the fusion, and of each look."""
    stages = {name: LookStage(look) for name, look in looks.items()}
    chain = build_chain(Config().with_overrides(preset=preset, threads=1))
    before: list[float] = []
    after: dict[str, list[float]] = {name: [] for name in looks}
    with open_source(f"sample:?frames={FRAMES}&size={size}") as source:
        frames = list(source)
    for number, frame in enumerate(frames):
        began = time.process_time()
        done: list[FusedFrame] = list(chain.line.push(frame))
        used = time.process_time() - began
        if number < WARM or not done:
            for stage in stages.values():
                for one in done:
                    stage.looked(one)
            continue
        before.append(used / len(done))
        for name, stage in stages.items():
            began = time.process_time()
            for one in done:
                stage.looked(one)
            after[name].append((time.process_time() - began) / len(done))
    return before, after


def costs() -> list[dict[str, object]]:
    """A row for each size, preset and look."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        file = lut(Path(folder))
        looks = {
            "tone and colour": Look(contrast=0.3, saturation=0.3, shadows=0.2),
            "vivid": Look.named("vivid"),
        }
        looks |= {"LUT": Look(lut=file)}
        for size in SIZES:
            encode = encoding(size, Path(folder))
            for preset in PRESETS:
                before, after = fused(size, preset, looks)
                chain = 1e3 * statistics.median(before)
                for name, times in after.items():
                    took = 1e3 * statistics.median(times)
                    share = took / (chain + encode)
                    rows.append(
                        {"size": size, "preset": preset, "look": name, "fusion_ms": round(chain, 2),
                         "encode_ms": round(encode, 2),
                         "look_ms": round(took, 2), "share": round(share, 4)}
                    )  # fmt: skip
                    click.echo(
                        f"{size} {preset} {name}: {took:.2f} of {chain:.1f} + {encode:.1f} ms, {100 * share:.1f} %"
                    )
    return rows


def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One fused frame with each look, two beside each other, (H, W, 3) B'G'R'."""
    with open_source("sample:?frames=8") as source:
        chain = build_chain(Config())
        (*_, frame) = through(chain.line, source)
    panels = [LookStage(Look.named(name)).looked(frame).bgr() for name in LOOKS]
    return np.vstack([np.hstack(panels[:2]), np.hstack(panels[2:])])


@click.command(help=help_of(__doc__))
@click.option("--picture", "picture_file", type=click.Path(path_type=Path), metavar="FILE.jpg")
@JSON_FILE
def main(picture_file: Path | None, json_file: Path | None) -> None:
    """Write what is asked for."""
    if picture_file is not None:
        cv2.imwrite(str(picture_file), picture(), [cv2.IMWRITE_JPEG_QUALITY, 85])
    if json_file is not None:
        command = f"python tools/look.py --json {json_file}"
        found = {"command": command, "environment": describe_environment(), "rows": costs()}
        write_json_file(json_file, found)


if __name__ == "__main__":
    main()
