"""Three clips of each kind of footage that is not one clean alternation, fused, each frame against its oracle.

    python tools/footage_kinds.py ../shared/data --json benchmarks/footage-kinds.json
    python tools/footage_kinds.py ../shared/data --json benchmarks/footage-kinds.json --match interlaced

The clips are of the half on which the hard set is reported, not of that on which its settings were chosen. They
are filmed at 3 EV, 480 wide, made into each kind, stored as H.264 (crf 8) and fused from that file. The oracle of an
instant is the fusion of both exposures of that instant, which are not stored; of a fade it is dimmed as the fade is.

The bar: where nothing has a partner no code is more than 3 from the input, and the ripple of the frame means (of each
mean from that of its neighbours) is 1.5 times the oracle's at most, or below 0.15 codes where nobody could see it.
Rows of what is not measured now stay in the file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import click
import cv2
import numpy as np
from tool_options import DATA, FIGURES, help_of

from streamfuse.cli.common_options import ONE_PRESET
from streamfuse.config import Config, load_config
from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.frame import Plane
from streamfuse.core.output_file import write_json_file
from streamfuse.encode.video_sink import av_frame
from streamfuse.fusion.fuser import create_fuser
from streamfuse.fusion.stage import fuse_planes
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.film import film
from streamfuse.lab.evaluate.simulate import BT709
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through
from streamfuse.runtime.sources import open_source

CLIPS = ("juggle.mp4", "bedroom.mp4", "cockatoo.mp4")
KINDS = ("fade-in", "title before", "title after", "late settling", "doubled", "interlaced")
FRAMES = 36
WIDTH = 480
TITLE, AFTER, FADE, BLACK, LATE = 12, 16, 12, 8, 12  # frames
BAR = {"apart": 3, "ripple_ratio": 1.5}
UNSEEN = 0.15  # codes of ripple

Planes = tuple[Plane, ...]


@dataclass(frozen=True, slots=True)
class Footage:
    """A clip made into a kind.

    Args:
        pictures: as they are stored, in order; of interlaced footage with both fields woven.
        wanted: number of a picture -> both exposures of its instant, where there is something to fuse.
        shares: number of a picture -> by how much it is dimmed.
        alone: numbers of the pictures that have no partner.
        interlaced: the pictures are of two fields.
    """

    pictures: list[Planes]
    wanted: dict[int, tuple[Planes, ...]]
    shares: dict[int, float]
    alone: range
    interlaced: bool = False


def made(kind: str, both: Sequence[tuple[Planes, ...]]) -> Footage:
    """Footage of a kind from both exposures of each instant, darkest first; interlaced: of each field."""
    if kind == "interlaced":
        frames = len(both) // 2
        lines = both[0][0][0].shape[0] // 4 * 4  # H.264 has fields of whole chroma pairs
        both = [tuple(_cut(planes, lines) for planes in pair) for pair in both]
        pictures = [woven(both[2 * n][n % 2], both[2 * n + 1][n % 2]) for n in range(frames)]
        return Footage(pictures, {n: both[2 * n] for n in range(frames)}, {}, range(0), True)
    both = both[:FRAMES]
    plain = [exposures[n % 2] for n, exposures in enumerate(both)]
    if kind == "doubled":
        pictures = [picture for picture in plain for _ in range(2)]
        return Footage(pictures, {2 * n: exposures for n, exposures in enumerate(both)}, {}, range(0))
    if kind == "title before":
        wanted = {TITLE + n: exposures for n, exposures in enumerate(both)}
        return Footage([title(plain[0])] * TITLE + plain, wanted, {}, range(TITLE))
    if kind == "title after":
        wanted = dict(enumerate(both))
        return Footage(plain + [title(plain[0])] * AFTER, wanted, {}, range(FRAMES, FRAMES + AFTER))
    if kind == "late settling":
        pictures = [exposures[0] for exposures in both[:LATE]] + plain[LATE:]
        # The last of them may have a partner: the frame after it.
        return Footage(pictures, {n: both[n] for n in range(LATE + 1, FRAMES)}, {}, range(LATE - 1))
    shares = {BLACK + n: min(1.0, (n + 1) / FADE) for n in range(FRAMES)}
    pictures = [dimmed(picture, shares[BLACK + n]) for n, picture in enumerate(plain)]
    wanted = {BLACK + n: exposures for n, exposures in enumerate(both)}
    return Footage([dimmed(plain[0], 0.0)] * BLACK + pictures, wanted, shares, range(0))


def _cut(planes: Planes, lines: int) -> Planes:
    return tuple(np.ascontiguousarray(plane[: lines * len(plane) // len(planes[0])]) for plane in planes)


def woven(first: Planes, second: Planes) -> Planes:
    """Even lines of one picture, odd lines of another."""
    out = []
    for one, other in zip(first, second, strict=True):
        plane = one.copy()
        plane[1::2] = other[1::2]
        out.append(plane)
    return tuple(out)


def title(like: Planes) -> Planes:
    """A line of text on a dark ground."""
    luma = np.full_like(like[0], 19)
    cv2.putText(luma, "A TITLE", (60, luma.shape[0] // 2), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 200, 4)
    return luma, *(np.full_like(plane, 128) for plane in like[1:])


def dimmed(planes: Planes, share: float) -> Planes:
    """R'G'B' times `share`, as editors fade."""
    rgb = planes_to_rgb(planes, 8, (1, 1), BT709).astype(np.float32) * np.float32(share)
    return rgb_to_planes(np.rint(rgb).astype(np.uint8), bits=8, subsampling=(1, 1), color=BT709)


def store(path: Path, footage: Footage) -> None:
    """H.264, crf 8; fields with their flag, top field first."""
    height, width = footage.pictures[0][0].shape
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = 1, 1, 1
        flagger = None
        if footage.interlaced:
            context.flags |= av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
            flagger = av.filter.Graph()
            source = flagger.add_buffer(
                width=width, height=height, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 24)
            )
            flagger.link_nodes(source, flagger.add("setfield", "mode=tff"), flagger.add("buffersink"))
            flagger.configure()
        for number, planes in enumerate(footage.pictures):
            frame = av_frame(planes, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            if flagger is not None:
                flagger.vpush(frame)
                frame = flagger.vpull()
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def ripple(means: Sequence[float]) -> float:
    """By how many codes the mean of a picture lies off those of its neighbours, in the mean."""
    values = np.array(means)
    return float(np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2).mean())


def measure(kind: str, clip: str, data: Path, config: Config) -> dict[str, Any]:
    """One row: figures, and what of the bar is missed."""
    count = 2 * FRAMES if kind == "interlaced" else FRAMES
    scene = film(data / "video" / clip, count=count, width=WIDTH)
    both = [tuple(frame.planes for frame in scene.exposures(instant)) for instant in range(scene.instants)]
    footage = made(kind, both)
    chain = build_chain(config)
    fuser = create_fuser(config.fuser_name, preset=config.fuse.preset)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "footage.mp4"
        store(path, footage)
        with open_source(path, deinterlace="off") as source:
            stored = [frame.planes for frame in source]
        with open_source(path) as source:
            frames = list(through(chain.line, source))
    assert len(frames) == len(footage.pictures), (len(frames), len(footage.pictures))
    wanted = {n: fuse_planes(fuser, exposures, 8, BT709) for n, exposures in footage.wanted.items()}
    wanted = {n: dimmed(planes, footage.shares.get(n, 1.0)) for n, planes in wanted.items()}
    numbers = sorted(wanted)
    apart = [
        max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(frames[n].planes, stored[n], strict=True))
        for n in footage.alone
    ]
    fused_means = [float(frames[n].planes[0].mean()) for n in numbers]
    oracle_means = [float(wanted[n][0].mean()) for n in numbers]
    errors = [np.abs(frames[n].planes[0].astype(float) - wanted[n][0]).mean() for n in numbers]
    row = {
        "kind": kind, "clip": clip, "frames": len(frames), "passed_through": chain.front.pairer.unpaired_count,
        "apart": max(apart, default=0), "ripple": round(ripple(fused_means), 3),
        "ripple_oracle": round(ripple(oracle_means), 3),
        "mean_off": round(max(abs(a - b) for a, b in zip(fused_means, oracle_means, strict=True)), 2),
        "error": round(float(np.mean(errors)), 2), "worst_error": round(float(np.max(errors)), 2),
        "commit": describe_environment()["commit"],
    }  # fmt: skip
    return {**row, "misses": misses(row)}


def misses(row: dict[str, Any]) -> list[str]:
    """The parts of the bar that a row does not reach."""
    over = {
        "apart": row["apart"] > BAR["apart"],
        "ripple": row["ripple"] > max(BAR["ripple_ratio"] * row["ripple_oracle"], UNSEEN),
    }
    return [name for name, missed in over.items() if missed]


@click.command(help=help_of(__doc__))
@DATA
@FIGURES
@click.option("--match", default="", help="Measure rows with this in their kind or clip only.")
@ONE_PRESET
def main(data: Path, json_file: Path, match: str, preset: str) -> None:
    """Measure, and write the rows beside those that the file has already."""
    config = load_config("default").with_overrides(preset=preset)
    rows: dict[str, dict[str, Any]] = {}
    if json_file.exists():
        found = json.loads(json_file.read_text(encoding="utf-8"))["rows"]
        rows = {f"{row['kind']} {row['clip']}": row for row in found}
    for kind in KINDS:
        for clip in CLIPS:
            if match in f"{kind} {clip}":
                row = rows[f"{kind} {clip}"] = measure(kind, clip, data, config)
                click.echo(" ".join(f"{name} {value}" for name, value in row.items()))
                order = [rows[name] for name in (f"{k} {c}" for k in KINDS for c in CLIPS) if name in rows]
                command = f"python tools/footage_kinds.py ../shared/data --json benchmarks/{json_file.name}"
                whole = {
                    "command": command, "preset": preset, "bar": BAR, "unseen_ripple": UNSEEN,
                    "environment": describe_environment(), "rows": order,
                }  # fmt: skip
                write_json_file(json_file, whole)


if __name__ == "__main__":
    main()
