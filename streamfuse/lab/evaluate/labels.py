"""Does the classifier ever confuse the exposures? Long alternations with frames lost, doubled and out of order.

The classifier sees thumbnails only, so small pictures serve: a clip is played forwards and backwards until there are
enough frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from streamfuse.errors import ExposureError
from streamfuse.exposure.classifier import ExposureClassifier
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.film import scene_of
from streamfuse.lab.evaluate.radiance_clips import Radiance, RadianceFrames
from streamfuse.lab.evaluate.simulate import WHITE_PERCENTILE, SimulatedClip, Simulation, even_gaps

_LOOP = 90  # frames of a clip that are played to and fro
_SHOT = 90  # instants between two events of a scenario
_FADE = 20  # instants from full brightness to black
_ALIKE = 1.0  # 8-bit code values of mean luma: exposures of an instant that differ less cannot be told apart


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How often the labels of one clip were wrong.

    Args:
        clip, scenario: names; see `SCENARIOS`.
        gap_ev, cycle: of the exposures.
        frames: delivered and labelled.
        broken: places where frames were lost, doubled or out of order, in truth.
        found: such places that the classifier reported.
        wrong: frames with a wrong label, where the two exposures can be told apart at all.
        wrong_per_1000: the same per 1000 frames.
        longest_wrong: most wrong labels in a row.
        brackets_until_right: the same in brackets, rounded up.
        refused: the classifier gave up: it found no alternation.
    """

    clip: str
    scenario: str
    gap_ev: float
    cycle: int
    frames: int
    broken: int
    found: int
    wrong: int
    wrong_per_1000: float
    longest_wrong: int
    brackets_until_right: int
    refused: bool


def score_labels(clip: SimulatedClip, scenario: str = "steady") -> LabelScore:
    """Label every frame of a clip and compare with the truth.

    Args:
        clip: the source and its truth.
        scenario: its name, for the report.
    """
    classifier = ExposureClassifier()
    labels: list[int] = []
    refused = False
    try:
        for frame in clip:
            labels += [item.rank for item in classifier.push(frame)]
        labels += [item.rank for item in classifier.flush()]
    except ExposureError:
        refused = True
    wrong = [
        label != seen.rank and not _alike(clip, seen.instant)
        for label, seen in zip(labels, clip.truth, strict=not refused)
    ]
    longest = longest_run(wrong)
    report = classifier.report
    return LabelScore(
        clip=clip.info.name,
        scenario=scenario,
        gap_ev=clip.simulation.gaps_ev[-1],
        cycle=clip.cycle,
        frames=len(labels),
        broken=_broken(clip),
        found=report.drops_detected if report else 0,
        wrong=sum(wrong),
        wrong_per_1000=1000 * sum(wrong) / max(len(labels), 1),
        longest_wrong=longest,
        brackets_until_right=-(-longest // clip.cycle),
        refused=refused,
    )


def longest_run(flags: Sequence[bool]) -> int:
    """Most true values in a row."""
    return max((len(list(run)) for value, run in groupby(flags) if value), default=0)


class Looped(RadianceFrames):
    """Frames played forwards, backwards, forwards ... up to a number of instants, each at some brightness."""

    def __init__(
        self, frames: Sequence[Radiance], count: int, brightness: Callable[[int], float] = lambda _: 1.0
    ) -> None:
        """`brightness(t)` multiplies the radiance of instant t."""
        self._frames = frames
        self._count = count
        self._brightness = brightness

    def __len__(self) -> int:
        return self._count

    def frame(self, index: int) -> Radiance:
        """(H, W, 3) float32 radiance."""
        last = len(self._frames) - 1
        place = index % (2 * last) if last else 0
        return self._frames[min(place, 2 * last - place)] * np.float32(self._brightness(index))


class Cuts(RadianceFrames):
    """Two scenes that alternate every `_SHOT` instants."""

    def __init__(self, one: Sequence[Radiance], other: Sequence[Radiance]) -> None:
        """Both as long as the result, with frames of one size."""
        self._scenes = one, other

    def __len__(self) -> int:
        return len(self._scenes[0])

    def frame(self, index: int) -> Radiance:
        """(H, W, 3) float32 radiance."""
        return self._scenes[index // _SHOT % 2][index]


def fades(instant: int) -> float:
    """To black and back once per shot, with a few black instants between."""
    return float(np.clip((abs(instant % _SHOT - _SHOT // 2) - 2) / _FADE, 0, 1) ** 2)


def lights(instant: int) -> float:
    """Give a light that is switched on and off: everything three times as bright from one frame to the next."""
    return 1.0 if instant // _SHOT % 2 else 1 / 3


def window_to_wall(instant: int) -> float:
    """Give a pan from a window to a wall and back, by what it does to the mean: 3 EV within 30 instants."""
    return float(2.0 ** (1.5 * (np.tanh(3 * np.sin(np.pi * instant / _SHOT)) - 1)))


SCENARIOS: Mapping[str, Callable[[int], float]] = MappingProxyType(
    {"steady": lambda _: 1.0, "fades": fades, "lights": lights, "window to wall": window_to_wall}
)
"""Name -> brightness at an instant. The scenario "cuts" needs a second scene; see `Cuts`."""


@dataclass(frozen=True, slots=True)
class LabelTrials:
    """Which alternations to try: every clip with every gap and in every scenario.

    Args:
        clips: videos, folders of .hdr frames, or .hdr panoramas.
        gaps: EV between exposures that follow each other in the cycle.
        cycle: number of exposures.
        frames: instants of each trial; a clip that is shorter is played to and fro.
        width: of the pictures.
        drop, double, swap, drift, seed: as in `Simulation`.
        scenarios: names of `SCENARIOS`, or "cuts" (to the clip that follows in the list and back).
    """

    clips: Sequence[Path]
    gaps: Sequence[float] = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0)
    cycle: int = 2
    frames: int = 1000
    width: int = 192
    drop: float = 0.01
    double: float = 0.01
    swap: float = 0.0
    scenarios: Sequence[str] = ("steady",)
    drift: float = 0.0
    seed: int = 0

    def simulation(self, gap: float, seed: int) -> Simulation:
        """Tell how the camera films with this gap."""
        return Simulation(
            gaps_ev=even_gaps(gap, self.cycle), drift_ev=self.drift, drop=self.drop,
            double=self.double, swap=self.swap, seed=seed,
        )  # fmt: skip


def evaluate_labels(trials: LabelTrials, *, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Run all trials; the result is what `--json` writes."""
    scores: list[LabelScore] = []
    for number, clip in enumerate(trials.clips):
        frames = _small_frames(clip, trials)
        other: Sequence[Radiance] = frames
        if "cuts" in trials.scenarios:
            following = trials.clips[(number + 1) % len(trials.clips)]
            other = _like(_small_frames(following, trials), frames[0])
        for scenario in trials.scenarios:
            scene = _scene(scenario, frames, other, trials.frames)
            for gap in trials.gaps:
                # Every trial loses other frames.
                simulation = trials.simulation(gap, trials.seed + len(scores))
                score = score_labels(SimulatedClip(scene, simulation, name=clip.name), scenario)
                report(_line(score))
                scores.append(score)
    return {
        "environment": describe_environment(),
        "trials": {**asdict(trials), "clips": [clip.name for clip in trials.clips]},
        "frames": sum(score.frames for score in scores),
        "wrong": sum(score.wrong for score in scores),
        "refused": sum(score.refused for score in scores),
        "brackets_until_right": max(score.brackets_until_right for score in scores),
        "rows": [asdict(score) for score in scores],
    }


def _scene(
    scenario: str, frames: Sequence[Radiance], other: Sequence[Radiance], count: int
) -> Sequence[Radiance]:
    if scenario == "cuts":
        return Cuts(Looped(frames, count), Looped(other, count))
    return Looped(frames, count, SCENARIOS[scenario])


def _small_frames(clip: Path, trials: LabelTrials) -> list[Radiance]:
    """Consecutive frames of the clip, in memory."""
    count = min(_LOOP, trials.frames)
    radiance = scene_of(clip, count=None if clip.is_dir() else count, width=trials.width)
    height = max(1, round(trials.width * radiance[0].shape[0] / radiance[0].shape[1]))
    size = trials.width, height
    return [cv2.resize(radiance[t], size, interpolation=cv2.INTER_AREA) for t in range(len(radiance))]


def _like(frames: Sequence[Radiance], first: Radiance) -> list[Radiance]:
    """Frames of another scene, of the same size and brightness."""
    size = first.shape[1], first.shape[0]
    white, own = (float(np.percentile(frame, WHITE_PERCENTILE)) for frame in (first, frames[0]))
    scale = np.float32(white / max(own, 1e-9))
    return [scale * cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]


def _line(score: LabelScore) -> str:
    return (
        f"{score.clip:28s} {score.scenario:14s} {score.gap_ev:4.1f} EV  {score.frames:5d} frames, "
        f"{score.broken:3d} breaks ({score.found:3d} found), {score.wrong:3d} wrong"
        + (f", {score.brackets_until_right} brackets until right" if score.wrong else "")
        + (", refused" if score.refused else "")
    )


def _alike(clip: SimulatedClip, instant: int) -> bool:
    """The exposures of an instant, as filmed, are the same or drown in the noise: nobody could tell which is which."""
    means = [float(frame.luma.mean()) for frame in clip.exposures(instant)]
    return bool(np.diff(means).min() < _ALIKE)


def _broken(clip: SimulatedClip) -> int:
    """Places where the ranks do not follow the cycle."""
    ranks = [delivered.rank for delivered in clip.truth]
    return sum((b - a) % clip.cycle != 1 for a, b in pairwise(ranks))
