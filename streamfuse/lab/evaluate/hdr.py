"""`streamfuse evaluate hdr`: radiance merged from simulated alternating exposures, against the true one.

Beside it: the oracle merge (all exposures of the very instant, by the same merge with the true exposures), and what a
user does today: each frame with the latest one of every other exposure, as it is or moved by dense flow, merged after
Debevec and Malik by OpenCV. What exceeds the darkest exposure's white nobody has seen: the truth is clipped there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamfuse.config import Config
from streamfuse.core.frame import Rgb
from streamfuse.core.values import Preset
from streamfuse.fusion.radiance import HdrTarget, merged, rendering
from streamfuse.imaging import photometric
from streamfuse.imaging.photometric import PLAIN, Transfer
from streamfuse.lab.evaluate.baselines import as_taken, dis_matched
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.film import film
from streamfuse.lab.evaluate.hdr_measures import HdrMeter, HdrScore, Motion
from streamfuse.lab.evaluate.radiance_clips import Radiance
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation, even_gaps
from streamfuse.lab.evaluate.video import baseline_frames
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.line import through

BASELINES = {"naive pairing + Debevec": as_taken, "DIS matched + Debevec": dis_matched}


@dataclass(frozen=True, slots=True)
class HdrTrial:
    """One evaluation.

    Args:
        clip: a folder of .hdr frames, a video, or an .hdr panorama.
        gap_ev: between exposures that follow each other in the cycle.
        cycle: number of exposures.
        start, count: which frames.
        width: of the pictures; None for the clip's own.
        noise: as in `Simulation`.
        seed: of the noise.
        told: the frames say how they were exposed, as a sidecar would; the baselines and the oracle know it always.
    """

    clip: Path
    gap_ev: float = 3.0
    cycle: int = 2
    start: int = 0
    count: int | None = None
    width: int | None = None
    noise: float = 2e-3
    seed: int = 0
    told: bool = False

    def filmed(self) -> SimulatedClip:
        """Give the clip as an alternating camera would have seen it."""
        gaps = even_gaps(self.gap_ev, self.cycle)
        simulation = Simulation(gaps_ev=gaps, noise=self.noise, seed=self.seed, known_exposures=self.told)
        return film(self.clip, simulation, start=self.start, count=self.count, width=self.width)


LEGEND = (
    "oracle merge: all exposures of the very instant, merged in the same way; PSNR-mu, PU21: likeness to the true "
    "light as eyes see it, dB (more is better), and SSIM of the latter; holes: share of the pixels well "
    "above the noise that lost 3 EV or more; flicker: difference from frame to frame along the motion, and over the "
    "oracle's; alternation: how much frames alternate with the exposures, mean of small blocks / of the whole picture, "
    "in 1/255."
)
"""What the figures of `line` are, to stand below them."""


def evaluate_hdr(
    trials: Sequence[HdrTrial], presets: Sequence[Preset], *, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Score every trial; the result is what `--json` writes."""
    rows = []
    for trial in trials:
        for score in score_trial(trial, presets):
            say(line(trial, score))
            # The clip is named, not its path: the figures travel to other machines.
            rows.append({**asdict(trial), "clip": trial.clip.name, **asdict(score)})
    return {"environment": describe_environment(), "rows": rows}


def score_trial(trial: HdrTrial, presets: Sequence[Preset]) -> list[HdrScore]:
    """Score the oracle merge, streamfuse at each preset, and the baselines."""
    clip, motion = trial.filmed(), Motion()
    oracle = [oracle_merge(clip, instant) for instant in range(clip.instants)]

    def scored(name: str, frames: Iterator[tuple[int, Radiance]]) -> HdrScore:
        meter = HdrMeter(clip.cycle, motion)
        for index, found in frames:
            instant, rank = clip.truth[index].instant, clip.truth[index].rank
            meter.add(instant, rank, found, oracle[instant], clip.radiance(instant))
        return meter.score(name)

    scores = [scored("oracle merge", iter(enumerate(oracle)))]
    scores += [scored(f"streamfuse {preset}", streamfuse_frames(clip, preset)) for preset in presets]
    gaps = clip.simulation.gaps_ev
    for name, align in BASELINES.items():
        frames = baseline_frames(clip, align, lambda exposures: debevec(exposures, gaps))
        scores.append(scored(name, ((index, found) for index, found, _ in frames)))
    return scores


def oracle_merge(clip: SimulatedClip, instant: int) -> Radiance:
    """Give all exposures of one instant, merged with what is known of them; (H, W, 3), 1 = white of the darkest."""
    frames = clip.exposures(instant)
    like = frames[0]
    coded = rendering(HdrTarget(), like.color.primaries, 1.0)
    planes, gaps = [frame.planes for frame in frames], clip.simulation.gaps_ev
    _, found = merged(planes, gaps, PLAIN, like.bits, like.subsampling, like.color, coded, keep=True)
    assert found is not None
    return found


def streamfuse_frames(clip: SimulatedClip, preset: Preset) -> Iterator[tuple[int, Radiance]]:
    """Index and radiance of each frame from the real pipeline, which is told nothing."""
    chain = build_chain(Config().with_overrides(preset=preset, hdr="linear", white=0.0))
    for frame in through(chain.line, clip):
        assert frame.radiance is not None
        yield frame.index, frame.radiance


def debevec(exposures: Sequence[Rgb], gaps_ev: Sequence[float], transfer: Transfer = PLAIN) -> Radiance:
    """OpenCV's merge after Debevec and Malik, told the response and exposures; (H, W, 3) as `oracle_merge`.

    Where its weights leave nothing (all black, or all white) it gives no number: black, or white, is taken there.
    """
    curve = photometric.decoded(np.arange(256) / 255, transfer).astype(np.float32)
    response = np.repeat(curve[:, None, None], 3, axis=2)
    times = np.array([2.0**gap for gap in gaps_ev], np.float32)
    pictures = [np.ascontiguousarray(rgb) for rgb in exposures]
    found = cv2.createMergeDebevec().process(pictures, times, np.maximum(response, 1e-6))
    white = np.asarray(exposures[0]) > 127
    return np.where(np.isfinite(found), found, white).astype(np.float32)


def line(trial: HdrTrial, score: HdrScore) -> str:
    """Give one line for the terminal."""
    return (
        f"{trial.clip.name:12s} {trial.gap_ev:g} EV  {score.method:24s} PSNR-mu {score.psnr_mu:5.2f}  "
        f"PU21 {score.pu21_psnr:5.2f} {score.pu21_ssim:.3f}  holes {100 * score.holes:.3f} %  "
        f"flicker {score.flicker:.2f} ({score.flicker_ratio:.2f} x)  "
        f"alternation {score.alternation:.3f} / {score.alternation_global:.3f}"
    )
