"""`streamfuse evaluate video`: simulated footage through the real stages, beside what people use today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamfuse.chain import build_chain
from streamfuse.config import Config
from streamfuse.evaluate.environment import describe_environment
from streamfuse.evaluate.film import film
from streamfuse.evaluate.simulate import SimulatedClip, Simulation
from streamfuse.evaluate.video import ClipScore, evaluate_clip, evaluate_peers
from streamfuse.frame import Frame, Plane
from streamfuse.fusion.fuser import create_fuser
from streamfuse.fusion.stage import fuse_planes
from streamfuse.stage import Stage


@dataclass(frozen=True, slots=True)
class VideoTrial:
    """One evaluation: which part of which clip, how it is filmed.

    Args:
        clip: a video, a folder of .hdr frames, or an .hdr panorama.
        gap_ev: between the two exposures.
        count: frames from the beginning; None for all.
        width: of the pictures; None for the clip's own.
        noise: sigma of the sensor noise in linear light, 1 = white of the darker exposure.
        drop, double: share of frames lost and doubled.
        seed: of noise and drops.
    """

    clip: Path
    gap_ev: float = 3.0
    count: int | None = 30
    width: int | None = None
    noise: float = 2e-3
    drop: float = 0.0
    double: float = 0.0
    seed: int = 0

    def filmed(self) -> SimulatedClip:
        """The clip as an alternating camera would have seen it, with its truth."""
        simulation = Simulation(
            gaps_ev=(0.0, self.gap_ev), noise=self.noise, drop=self.drop, double=self.double, seed=self.seed
        )
        return film(self.clip, simulation, count=self.count, width=self.width)


def score_trial(trial: VideoTrial, config: Config, *, peers: bool = True) -> list[ClipScore]:
    """streamfuse with these settings, its oracle fused by the same network; then the peers."""
    clip = trial.filmed()
    fuser = create_fuser(config.fuser_name, preset=config.fuse.preset, device=config.fuse.device)

    def stages() -> Sequence[Stage]:
        return [named.stage for named in build_chain(config).stages]

    def oracle(exposures: tuple[tuple[Plane, ...], ...], template: Frame) -> tuple[Plane, ...]:
        return fuse_planes(fuser, exposures, template.bits, template.color)

    scores = [evaluate_clip(clip, stages, oracle, name=f"streamfuse {config.fuse.preset} ({fuser.name})")]
    return scores + (evaluate_peers(clip) if peers else [])


def evaluate_videos(
    trials: Sequence[VideoTrial],
    config: Config,
    *,
    peers: bool = True,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Score every trial; the result is what `--json` writes: environment, settings, and a row per method and clip."""
    rows = []
    for trial in trials:
        for score in score_trial(trial, config, peers=peers):
            report(
                f"{score.clip:16s} {trial.gap_ev:g} EV  {score.method:32s} PSNR {score.psnr:5.2f}  "
                f"motion {score.motion_psnr:5.2f}  chroma {score.chroma_psnr:5.2f}  "
                f"AFo {score.afo_mean:.2f} / {score.afo_global:.2f}"
            )
            # The clip is named, not its path: the figures travel to other machines.
            rows.append({**asdict(trial), "clip": trial.clip.name, **score.as_dict()})
    return {"environment": describe_environment(), "config": config.model_dump(mode="json"), "rows": rows}
