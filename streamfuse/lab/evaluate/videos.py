"""`streamfuse evaluate video`: simulated footage through the real stages, beside what people use today."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamfuse.config import Config
from streamfuse.core.frame import AlignedBracket, ClassifiedFrame, Frame, FusedFrame, Plane
from streamfuse.core.values import Degradation
from streamfuse.errors import InputError, UsageError
from streamfuse.fusion.fuser import create_fuser
from streamfuse.fusion.stage import fuse_planes
from streamfuse.lab.evaluate.degrade import LongExposure
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.film import film_scene, scene_of
from streamfuse.lab.evaluate.frame_measures import MEASURES
from streamfuse.lab.evaluate.labels import longest_run
from streamfuse.lab.evaluate.meter import ClipScore, Watch
from streamfuse.lab.evaluate.radiance_clips import RadianceFrames
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation, even_gaps
from streamfuse.lab.evaluate.video import FlowMeter, OracleFuse, evaluate_baselines, evaluate_clip
from streamfuse.lab.evaluate.video_report import VideoReport
from streamfuse.lab.evaluate.virtual_camera import VirtualCamera
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import Line


@dataclass(frozen=True, slots=True)
class VideoTrial:
    """One evaluation: which part of which clip, how it is filmed.

    Args:
        clip: a video, a folder of .hdr frames, or an .hdr panorama.
        gap_ev: between exposures that follow each other in the cycle.
        cycle: number of exposures.
        count: frames from the beginning; None for all.
        step: every so manieth frame of a video or folder is taken: the same motion, faster.
        width: of the pictures; None for the clip's own.
        range_ev: stretch an ordinary video to this dynamic range; None leaves it.
        objects: things that move before a panorama.
        noise: sigma of the sensor noise in linear light, 1 = white of the darker exposure.
        drop, double, drift, white_balance, shake, flicker: as in `Simulation`.
        seed: of noise, losses and shake.
        degrade: as in `Simulation`; `blur` averages frames that `step` leaves out.
    """

    clip: Path
    gap_ev: float = 3.0
    cycle: int = 2
    count: int | None = 30
    width: int | None = None
    range_ev: float | None = None
    objects: int = 0
    noise: float = 2e-3
    drop: float = 0.0
    double: float = 0.0
    drift: float = 0.0
    white_balance: float = 0.0
    shake: float = 0.0
    flicker: float = 0.0
    seed: int = 0
    step: int = 1
    degrade: Degradation = "none"

    def filmed(self) -> tuple[SimulatedClip, VirtualCamera | None]:
        """Give the clip as an alternating camera would have seen it, and the camera where it knows the exact flow."""
        simulation = Simulation(
            gaps_ev=even_gaps(self.gap_ev, self.cycle), noise=self.noise, drop=self.drop,
            double=self.double, drift_ev=self.drift, white_balance_ev=self.white_balance, shake_px=self.shake,
            flicker=self.flicker, seed=self.seed, degrade=self.degrade,
        )  # fmt: skip
        scene = self._scene(self.count, self.step)
        longest = None
        if self.degrade == "blur":
            if isinstance(scene, VirtualCamera):
                raise UsageError(
                    "A panorama has no frames between its instants: blur needs a video or a folder."
                )
            every = self._scene(None if self.count is None else self.count * self.step, 1)
            longest = LongExposure(every, self.step, len(scene))
        clip = film_scene(scene, simulation, self.clip.name, longest)
        return clip, scene if isinstance(scene, VirtualCamera) and self.shake == 0 else None

    def _scene(self, count: int | None, step: int) -> RadianceFrames:
        return scene_of(
            self.clip, count=count, width=self.width, range_ev=self.range_ev, objects=self.objects, step=step
        )


def panoramas(folders: Sequence[Path]) -> list[Path]:
    """Give the .hdr panoramas among these files and in these folders.

    Raises:
        InputError: there is none.
    """
    found = [
        path
        for entry in folders
        for path in (sorted(entry.iterdir()) if entry.is_dir() else [entry])
        if path.suffix.lower() == ".hdr"
    ]
    if not found:
        raise InputError(f"There is no .hdr panorama in {', '.join(map(str, folders))}; the flow needs one.")
    return found


class Oracle:
    """The fusion of what one network sees; keeps its results, since every setting is compared with them."""

    def __init__(self, config: Config) -> None:
        self.fuser = create_fuser(config.fuser_name, preset=config.fuse.preset, device=config.fuse.device)
        self._known: dict[bytes, tuple[Plane, ...]] = {}

    def __call__(self, exposures: tuple[tuple[Plane, ...], ...], template: Frame) -> tuple[Plane, ...]:
        """Fused planes."""
        digest = hashlib.blake2b(digest_size=16)
        for planes in exposures:
            digest.update(planes[0].tobytes())
        key = digest.digest()
        if key not in self._known:
            self._known[key] = fuse_planes(self.fuser, exposures, template.bits, template.color)
        return self._known[key]


def score_trial(
    trial: VideoTrial, config: Config, *, baselines: bool = True, report: VideoReport | None = None
) -> list[ClipScore]:
    """streamfuse with these settings, its oracle fused by the same network; then the baselines.

    Args:
        trial: what to film.
        config: settings of the pipeline.
        baselines: score them too.
        report: gets the pictures.
    """
    clip, camera = trial.filmed()
    oracle = Oracle(config)
    name = f"streamfuse {config.fuse.preset} ({oracle.fuser.name})"
    if report is not None:
        report.begin(f"{trial.clip.name}, {trial.gap_ev:g} EV", clip)
    watch = None if report is None else report.watch(name)
    scores = [score_config(clip, config, oracle, name=name, camera=camera, watch=watch)]
    if baselines:
        scores += evaluate_baselines(clip, None if report is None else report.watches())
    if report is not None:
        report.end(scores)
    return scores


def score_config(
    clip: SimulatedClip,
    config: Config,
    oracle: OracleFuse,
    *,
    name: str,
    camera: VirtualCamera | None = None,
    watch: Watch | None = None,
) -> ClipScore:
    """Run the real pipeline with these settings on a clip: fidelity, labels, and flow where `camera` knows it."""
    labels: list[int] = []
    flow = None if camera is None else FlowMeter(clip, camera)

    def stages() -> Line[Frame, FusedFrame]:
        line = build_chain(config).line.seen("label", ClassifiedFrame, lambda item: labels.append(item.rank))
        return line if flow is None else line.seen("align", AlignedBracket, flow.add)

    score = evaluate_clip(clip, stages, oracle, name=name, watch=watch)
    wrong = [label != seen.rank for label, seen in zip(labels, clip.truth, strict=True)]
    score = replace(
        score,
        labels_wrong_per_1000=1000 * sum(wrong) / max(len(wrong), 1),
        brackets_until_right=-(-longest_run(wrong) // clip.cycle),
    )
    if flow is None:
        return score
    epe, over_3px = flow.score()
    return replace(score, epe=epe, over_3px=over_3px)


def evaluate_videos(
    trials: Sequence[VideoTrial],
    config: Config,
    *,
    baselines: bool = True,
    say: Callable[[str], None] = print,
    report: VideoReport | None = None,
) -> dict[str, Any]:
    """Score every trial; the result is what `--json` writes: environment, settings, and a row per method and clip."""
    rows = []
    for trial in trials:
        for score in score_trial(trial, config, baselines=baselines, report=report):
            say(line(score, trial.gap_ev) + ("" if trial.degrade == "none" else f"  ({trial.degrade})"))
            rows.append(row_of(trial, score))
    return figures_of(rows, config)


def row_of(trial: VideoTrial, score: ClipScore) -> dict[str, Any]:
    """Give a row of `--json`; the clip is named, not its path, for the figures travel to other machines."""
    return {**asdict(trial), "clip": trial.clip.name, **score.as_dict()}


def figures_of(rows: Sequence[dict[str, Any]], config: Config) -> dict[str, Any]:
    """Give what `--json` writes: where and with which settings it was measured, means, and all rows."""
    return {
        "environment": describe_environment(),
        "config": config.model_dump(mode="json"),
        "means": means(rows),
        "rows": list(rows),
    }


def means(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over the clips of what matters most, for each gap, degradation and method."""
    names = (
        "psnr",
        "motion_psnr",
        "motion_p99",
        "afo_mean",
        "afo_global",
        "warping_ratio",
        "epe",
        "over_3px",
        *(name for name in MEASURES if name not in ("psnr", "ssim", "motion_psnr", "motion_p99")),
    )
    groups: dict[tuple[float, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["gap_ev"], row["degrade"], row["method"]), []).append(row)
    found = []
    for (gap, degrade, method), members in groups.items():
        values = {name: [row[name] for row in members if row[name] is not None] for name in names}
        mean = {name: float(np.mean(numbers)) for name, numbers in values.items() if numbers}
        found.append({"gap_ev": gap, "degrade": degrade, "method": method, "clips": len(members), **mean})
    return found


def line(score: ClipScore, gap_ev: float) -> str:
    """Give one line for the terminal."""
    return (
        f"{score.clip:16s} {gap_ev:g} EV  {score.method:44s} PSNR {score.psnr:5.2f}  "
        f"motion {score.motion_psnr:5.2f}  AFo {score.afo_mean:.2f} / {score.afo_global:.2f}  "
        f"warping {score.warping_ratio:.2f}"
        + ("" if score.epe is None else f"  EPE {score.epe:.2f} px")
        + "".join(
            f"  {MEASURES[name].heading} {value:.{MEASURES[name].decimals}f}"
            for name, value in score.more.items()
        )
    )


def legend(*, with_flow: bool) -> str:
    """Give what the figures of `line` are, to stand below them."""
    told = {
        name: measure
        for name, measure in MEASURES.items()
        if name not in ("ssim", "motion_psnr", "motion_p99")
    }
    sentences = [
        *(f"{measure.heading}: {measure.says}" for measure in told.values()),
        "motion: PSNR where things move",
        "AFo: how much frames alternate with the exposures, mean of small blocks / of the whole picture, code values "
        "(less is better)",
        "warping: difference from frame to frame along the motion, 1 being that of the right pictures",
        *(["EPE: error of the motion that was found, pixels"] if with_flow else []),
    ]
    return "; ".join(sentences) + "."
