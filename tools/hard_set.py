"""The hard set: fast motion and clipped skies, fused with and without smoothing, each frame against its oracle.

    python tools/hard_set.py ../shared/data --json benchmarks/hard-set.json
    python tools/hard_set.py ../shared/data --json benchmarks/hard-set.json --half choosing --match dog

Every clip is taken at every 2nd and every 4th frame; a virtual camera that turns fast and shakes looks up into the sky
of panoramas while things fly through; steel bars pass before a sky. All are filmed at 3 and at 5 EV. Rows of members
that are not measured now stay in the file, so that the set can be measured in pieces. Settings are chosen on the half
`choosing` and reported on both.

The bar: smoothing lowers PSNR by 0.1 dB at most; AFo at 3 EV is 0.15 of the whole picture and 0.40 in the mean of all
blocks at most (8-bit code values); the ripple of the frame means is 1.5 times that of the oracle at most. An AFo of the
blocks that is no larger than what errors of that size give when they do not alternate at all (`afo_chance`: twenty
frames are few) is no alternation, whatever it is, and no miss.

With `--bound`, a member that misses the bar gets the figures of `hard_set_bound` beside its own: where they miss it as
well, neighbours do not show what it takes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import click
import cv2
import numpy as np
from hard_set_bound import bound
from tool_options import DATA, FIGURES, help_of

from streamfuse.cli.common_options import ONE_PRESET
from streamfuse.config import Config, load_config
from streamfuse.core.output_file import write_json_file
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.film import film_scene, scene_of
from streamfuse.lab.evaluate.meter import ClipScore
from streamfuse.lab.evaluate.radiance_clips import Radiance, RadianceFrames
from streamfuse.lab.evaluate.simulate import Simulation
from streamfuse.lab.evaluate.videos import Oracle, score_config
from streamfuse.lab.evaluate.virtual_camera import virtual_camera

Half = Literal["choosing", "reporting"]
CLIPS: dict[str, Half] = {
    "bridge_hdr": "choosing",
    "dog.mp4": "choosing",
    "windows.mp4": "choosing",
    "ferris.mp4": "choosing",
    "juggle.mp4": "reporting",
    "bedroom.mp4": "reporting",
    "cockatoo.mp4": "reporting",
    "person.mp4": "reporting",
}
PANORAMAS: dict[str, Half] = {
    "city.hdr": "choosing",
    "chinese_garden_1k.hdr": "choosing",
    "esplanade.hdr": "choosing",
    "venice.hdr": "choosing",
    "modern_buildings_2_1k.hdr": "reporting",
    "sunset.hdr": "reporting",
    "narrow_moonlit_road_1k.hdr": "reporting",
    "forest.hdr": "reporting",
}
STEEL: dict[str, Half] = {"steel": "choosing"}
STEPS = (2, 4)
GAPS_EV = (3.0, 5.0)
FRAMES = 20
WIDTH = 480
PAN, SHAKE, TILT, OBJECTS = (
    1.5,
    0.5,
    14.0,
    2,
)  # degrees per frame, degrees, degrees up, things that fly through
BAR = {"psnr_lost": 0.1, "afo_global": 0.15, "afo_mean": 0.40, "ripple_ratio": 1.5}


class SteelBeforeSky(RadianceFrames):
    """Dark bars that move by 13 pixels a frame before a blue sky, which the bright exposure clips."""

    def __len__(self) -> int:
        return FRAMES

    def frame(self, index: int) -> Radiance:
        """(height, width, 3) float32 radiance."""
        y, x = np.mgrid[0 : WIDTH * 9 // 16, 0:WIDTH].astype(np.float32)
        x += 13 * index
        sky = (0.35 + 0.6 * y / len(y))[..., None] * np.array([0.55, 0.75, 1.0], np.float32)
        bars = (x % 90 < 22) | ((x + y) % 120 < 10) | ((x - y) % 120 < 10)
        steel = 0.006 * (1 + 0.4 * np.sin(0.6 * x) * np.sin(0.4 * y))[..., None]
        return np.asarray(cv2.GaussianBlur(np.where(bars[..., None], steel, sky), (0, 0), 0.7), np.float32)


@dataclass(frozen=True, slots=True)
class Member:
    """A scene of the hard set and how it is filmed.

    Args:
        scene: name of the clip or panorama; "steel" is made here.
        half: settings are chosen on one half only.
        gap_ev: between the two exposures.
        step: every so manieth frame of a clip; None of all else.
    """

    scene: str
    half: Half
    gap_ev: float
    step: int | None

    @property
    def name(self) -> str:
        """It tells members apart."""
        return f"{self.scene} {'moving' if self.step is None else f'/{self.step}'} {self.gap_ev:g} EV"

    def radiance(self, data: Path) -> RadianceFrames:
        """What is filmed, from the folder of the local data."""
        if self.scene in STEEL:
            return SteelBeforeSky()
        if self.step is None:
            return virtual_camera(
                data / "stills/hdr" / self.scene, count=FRAMES, pan=PAN, shake=SHAKE, tilt=TILT,
                objects=OBJECTS, width=WIDTH, height=WIDTH * 3 // 4,
            )  # fmt: skip
        return scene_of(data / "video" / self.scene, count=FRAMES, width=WIDTH, step=self.step)


def members() -> list[Member]:
    """All of them."""
    clips = [Member(c, half, gap, step) for c, half in CLIPS.items() for step in STEPS for gap in GAPS_EV]
    others = {**PANORAMAS, **STEEL}
    return clips + [Member(scene, half, gap, None) for scene, half in others.items() for gap in GAPS_EV]


def measure(member: Member, data: Path, config: Config, bounds: bool = False) -> dict[str, Any]:
    """One row: figures with and without smoothing, which parts of the bar are missed, and the bound of what misses."""
    clip = film_scene(member.radiance(data), Simulation(gaps_ev=(0.0, member.gap_ev)), member.scene)
    oracle = Oracle(config)
    scores = {
        name: score_config(clip, config.with_overrides(smooth=name == "smooth"), oracle, name=name)
        for name in ("plain", "smooth")
    }
    row: dict[str, Any] = {
        **asdict(member),
        "name": member.name,
        "frames": len(clip),
        "commit": describe_environment()["commit"],
        **{name: figures(score) for name, score in scores.items()},
        "misses": misses(member, scores),
    }
    if bounds and row["misses"]:
        best = bound(clip, config, oracle)
        row["bound"] = {**figures(best), "misses": misses(member, {"plain": best, "smooth": best})}
    return row


def figures(score: ClipScore) -> dict[str, Any]:
    """What is kept of a score."""
    kept = (
        "psnr", "motion_psnr", "motion_p99", "chroma_psnr", "afo_global", "afo_mean", "afo_chance", "ripple",
        "ripple_oracle", "labels_wrong_per_1000",
    )  # fmt: skip
    values = score.as_dict()
    return {name: values[name] for name in kept}


def misses(member: Member, scores: dict[str, ClipScore]) -> list[str]:
    """The parts of the bar that a member does not reach, with smoothing on."""
    plain, smooth = scores["plain"], scores["smooth"]
    found = {"psnr_lost": plain.psnr - smooth.psnr, "ripple_ratio": smooth.ripple / smooth.ripple_oracle}
    if member.gap_ev == 3.0:
        found |= {"afo_global": smooth.afo_global}
        if smooth.afo_mean > smooth.afo_chance:
            found |= {"afo_mean": smooth.afo_mean}
    return [name for name, value in found.items() if value > BAR[name]]


def line(row: dict[str, Any]) -> str:
    """A row for the terminal."""
    plain, smooth = row["plain"], row["smooth"]
    return (
        f"{row['name']:34s} PSNR {plain['psnr']:5.2f} -> {smooth['psnr']:5.2f}  motion {plain['motion_psnr']:5.2f} ->"
        f" {smooth['motion_psnr']:5.2f}  AFo global {plain['afo_global']:.3f} -> {smooth['afo_global']:.3f} mean"
        f" {plain['afo_mean']:.2f} -> {smooth['afo_mean']:.2f}  ripple {plain['ripple']:.3f} -> {smooth['ripple']:.3f}"
        f" (oracle {smooth['ripple_oracle']:.3f})  {' '.join(row['misses'])}{_best(row)}"
    )


def _best(row: dict[str, Any]) -> str:
    """The bound of a row, if it has one."""
    if "bound" not in row:
        return ""
    best = row["bound"]
    return (
        f"  at best PSNR {best['psnr']:5.2f}  AFo {best['afo_global']:.3f} / {best['afo_mean']:.2f}  ripple"
        f" {best['ripple']:.3f}  {' '.join(best['misses'])}"
    )


@click.command(help=help_of(__doc__))
@DATA
@FIGURES
@click.option("--half", type=click.Choice(["choosing", "reporting"]), help="Measure this half only.")
@click.option("--match", default="", help="Measure members with this in their name only.")
@ONE_PRESET
@click.option(
    "--bound", "bounds", is_flag=True, help="Of what misses the bar, measure what could be at best."
)
def main(data: Path, json_file: Path, half: str | None, match: str, preset: str, bounds: bool) -> None:
    """Measure members of the set and write their rows beside those that the file has already."""
    cv2.setNumThreads(1)
    config = load_config("default").with_overrides(preset=preset)
    rows: dict[str, dict[str, Any]] = {}
    if json_file.exists():
        rows = {row["name"]: row for row in json.loads(json_file.read_text(encoding="utf-8"))["rows"]}
    for member in members():
        if half in (None, member.half) and match in member.name:
            rows[member.name] = measure(member, data, config, bounds)
            click.echo(line(rows[member.name]))
            write(json_file, config, rows)


def write(json_file: Path, config: Config, rows: dict[str, dict[str, Any]]) -> None:
    """The file, its rows in the order of the set."""
    document = {
        "environment": describe_environment(),
        "config": config.model_dump(mode="json"),
        "settings": {
            "frames": FRAMES,
            "width": WIDTH,
            "pan": PAN,
            "shake": SHAKE,
            "tilt": TILT,
            "objects": OBJECTS,
        },
        "bar": BAR,
        "rows": [rows[member.name] for member in members() if member.name in rows],
    }
    write_json_file(json_file, document)


if __name__ == "__main__":
    main()
