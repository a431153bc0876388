"""How late a camera obeys: the exposure is stepped to and fro, and the frames until it shows are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from streamfuse.camera.camera_protocol import Camera
from streamfuse.camera.exposure_evidence import Bands, evidence, judge, visible
from streamfuse.core.frame import Exposure, Frame
from streamfuse.errors import CameraError

MAX_FRAMES = 14  # after which a step counts as ignored
_STEPS, _MORE_STEPS = 8, 16  # more where the latency varies
_TYPICAL = 0.8  # rank of the transit that counts, among all steps
_TRIES = 4  # for one step, since cameras ignore some
_STILL = 0.12  # share of the step by which frames of one exposure may differ
_MAX_UNREST = 0.5  # the same, where lamps pulse: beyond it the exposures cannot be told apart
_BEYOND = 1.25  # frames that come may differ by so much more than those that were seen
_SETTLED = 6  # frames of an exposure that stands still that are looked at
_TORN = 0.8  # share of the step in one band beyond which a frame shows both exposures
_CLEAR = 0.1  # share of white by which a band has to differ between the exposures to tell that


class NoEffectError(CameraError):
    """Both exposures look alike."""


Grab = Callable[[], Frame]


@dataclass(frozen=True, slots=True)
class Latency:
    """Frames from a command to the first frame that obeys; the frame right after the command is number 1.

    Args:
        least, most: over all steps.
        transit: frames before that which were neither the old nor the new exposure.
        ignored: steps that the camera did not follow.
    """

    least: int
    most: int
    transit: int = 0
    ignored: int = 0

    @property
    def first_sign(self) -> int:
        """Give the first frame that may differ."""
        return self.least - self.transit

    @property
    def hold(self) -> int:
        """Frames from one command to the next that leave one frame certain."""
        return self.most - self.first_sign + 1

    def slower(self) -> Latency:
        """For a camera that sometimes takes a frame more than was measured."""
        return replace(self, most=min(self.most + 1, MAX_FRAMES))


def measure_latency(
    camera: Camera, grab: Grab, exposures: tuple[Exposure, Exposure]
) -> tuple[Latency, tuple[Bands, Bands]]:
    """Step the exposure and watch the brightness.

    Args:
        camera: it is told the exposures.
        grab: gives its next frame.
        exposures: (under, over).

    Returns:
        The latency, and the bands of the last frame of each exposure.

    Raises:
        NoEffectError: no step shows.
        CameraError: the camera was lost.
    """
    settled = settled_levels(camera, grab, exposures)
    levels = list(settled.levels)
    taken: list[int] = []
    transits: list[int] = []
    stands_at, ignored, failures = 1, 0, 0
    while len(taken) < (_STEPS if len(set(taken)) < 2 else _MORE_STEPS):
        rank = 1 - stands_at
        camera.set_exposure(exposures[rank])
        landed = _watch(camera, grab, levels, settled.unrest, rank)
        if landed is None:
            ignored, failures = ignored + 1, failures + 1
            if failures == _TRIES:
                raise NoEffectError(_no_effect(camera, exposures))
            if failures > 1:  # rather than ignored twice, it looks different now: the light has changed
                settled = settled_levels(camera, grab, exposures)
                levels, stands_at = list(settled.levels), 1
            continue
        failures, stands_at = 0, rank
        taken.append(landed.frames)
        transits.append(landed.transit)
        levels[rank] = landed.seen
    # Something that moves in the picture looks like a first sign now and then.
    transit = sorted(transits)[round(_TYPICAL * (len(transits) - 1))]
    # Where it varies much, the longest was hardly among so few.
    most = max(taken) + (max(taken) - min(taken) > 1)
    return Latency(min(taken), min(most, MAX_FRAMES), transit, ignored), (levels[0], levels[1])


@dataclass(frozen=True, slots=True)
class Settled:
    """What both exposures look like when they stand still, under first.

    Args:
        levels: the bands of each.
        unrest: how much two frames of each differ: the light pulses, or something moves.
    """

    levels: tuple[Bands, Bands]
    unrest: tuple[float, float]


def settled_levels(
    camera: Camera, grab: Grab, exposures: tuple[Exposure, Exposure], wait: int = MAX_FRAMES
) -> Settled:
    """Wait for each exposure in turn, and see how bright it is; the camera is left at over.

    Raises:
        NoEffectError: they look alike: the camera ignores its exposure, or there is nothing to see.
    """
    for attempt in range(_TRIES):
        levels: list[Bands] = []
        unrest: list[float] = []
        for exposure in exposures:
            for _ in range(1 + attempt):  # told again, in case one was ignored
                camera.set_exposure(exposure)
                grab()
            for _ in range(wait - 3):
                grab()
            seen = [evidence(grab()) for _ in range(_SETTLED)]
            levels.append(np.median(seen, axis=0).astype(np.float32))
            unrest.append(max(float(np.abs(a - b).mean()) for a, b in combinations(seen, 2)))
        if visible(levels[0], levels[1]):
            return Settled((levels[0], levels[1]), (unrest[0], unrest[1]))
    raise NoEffectError(_no_effect(camera, exposures))


@dataclass(frozen=True, slots=True)
class _Landed:
    frames: int
    transit: int
    seen: Bands


def _watch(
    camera: Camera, grab: Grab, levels: list[Bands], unrest: tuple[float, float], rank: int
) -> _Landed | None:
    """Count the frames until the picture looks like that exposure, and stays so; None: it does not."""
    before: Bands | None = None  # the last frame, if it looks like that exposure
    sign = None  # number of the first frame that is not quite like the old one
    span = float(np.abs(levels[1] - levels[0]).mean())
    still = [min(max(_STILL * span, _BEYOND * unrest[r]), _MAX_UNREST * span) for r in (0, 1)]
    number, lost = 0, camera.lost
    for _ in range(MAX_FRAMES):
        previous = number
        seen = evidence(grab())
        number += 1 + camera.lost - lost  # what was lost on the way counts as well
        lost = camera.lost
        shown = judge(seen, levels[0], levels[1])
        if sign is None and float(np.abs(seen - levels[1 - rank]).mean()) > still[1 - rank]:
            sign = number
        if shown == rank and before is not None and _alike(seen, before, levels, still[rank]):
            return _Landed(previous, max(0, previous - (sign or previous)), seen)
        before = seen if shown == rank else None
    return None


def _alike(one: Bands, other: Bands, levels: list[Bands], still: float) -> bool:
    """Tell whether two frames are of one exposure: in sum, and in each band, for a frame may show both exposures."""
    changes, gap = np.abs(one - other), levels[1] - levels[0]
    return float(changes.mean()) < still and not bool((changes > _TORN * gap)[gap > _CLEAR].any())


def _no_effect(camera: Camera, exposures: tuple[Exposure, Exposure]) -> str:
    under, over = (f"{(exposure.time_us or 0) / 1000:.3g} ms" for exposure in exposures)
    return (
        f"Changing the exposure of {camera.name} from {under} to {over} changes nothing in its picture: uncover the "
        "lens and give it light; if it is so in good light, the camera ignores its exposure control."
    )
