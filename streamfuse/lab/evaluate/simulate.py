"""Alternating-exposure clips simulated from radiance, with the truth of every instant.

The standard simulation: radiance is scaled so that the 99.5th percentile of the first frame just saturates
the darkest exposure, exposed, given Gaussian noise in linear light on the darkest exposure, clipped and
coded with gamma 1/2.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure, Frame, Plane
from streamfuse.core.protocols import Source, SourceInfo
from streamfuse.core.values import Degradation, First
from streamfuse.errors import InputError, UsageError
from streamfuse.lab.evaluate.degrade import RIPPLES, bands, coded, sensor_noise
from streamfuse.lab.evaluate.radiance_clips import GAMMA, Radiance, luminance

BT709 = ColorInfo(matrix=1, primaries=1, transfer=1, full_range=False)
WHITE_PERCENTILE = 99.5
_DRIFT_PERIOD = 48  # instants in one slow swing of the exposure drift
_SHAKE_MEMORY = 0.9  # of the hand: how much of its place it keeps from one instant to the next
# Which random numbers: each use has its own stream, noise has one per picture.
_SHAKE, _LOSSES, _ORDER = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Simulation:
    """How to film the scene.

    Args:
        gaps_ev: exposure of each picture of the cycle in EV, darkest first; the first is 0.
        noise: sigma of the noise of the darkest exposure, in linear light where white is 1.
        first: which exposure comes first: the darkest or the brightest.
        drift_ev: the whole exposure swings slowly by up to this much.
        white_balance_ev: how much more red and less blue the brightest exposure shows than the darkest one; those
            between have their share.
        flicker: amplitude of the light's ripple, as a share of it: lamps on the mains, filmed with a short shutter.
        shake_px: standard deviation of the hand's place in pixels.
        drop: share of the frames that are lost.
        double: share of the frames that are delivered twice.
        swap: share of the frames that come after the one that follows them.
        pts_gaps: a lost frame leaves a gap in the time stamps; else the stamps do not tell.
        known_exposures: frames carry their `exposure`.
        bits, subsampling: of the planes.
        seed: of everything random.
        degrade: what the camera does to the frames beyond that, see `degrade`.
    """

    gaps_ev: tuple[float, ...] = (0.0, 3.0)
    noise: float = 2e-3
    first: First = "under"
    drift_ev: float = 0.0
    white_balance_ev: float = 0.0
    flicker: float = 0.0
    shake_px: float = 0.0
    drop: float = 0.0
    double: float = 0.0
    swap: float = 0.0
    pts_gaps: bool = False
    known_exposures: bool = False
    bits: int = 8
    subsampling: tuple[int, int] = (1, 1)
    seed: int = 0
    degrade: Degradation = "none"

    def __post_init__(self) -> None:
        gaps = self.gaps_ev
        if len(gaps) < 2 or gaps[0] != 0 or sorted(set(gaps)) != list(gaps):
            raise UsageError(f"exposures must rise from 0 EV and be two at least, got {gaps}")
        if not (0 <= self.drop < 1 and 0 <= self.double <= 1):
            raise UsageError(f"drop and double are shares from 0 to 1, got {self.drop} and {self.double}")
        if not (0 <= self.swap <= 1 and 0 <= self.flicker < 1):
            raise UsageError(f"swap and flicker are shares from 0 to 1, got {self.swap} and {self.flicker}")
        if not 8 <= self.bits <= 16:
            raise UsageError(f"bit depth must be 8 to 16, got {self.bits}")


def even_gaps(gap_ev: float, cycle: int) -> tuple[float, ...]:
    """`Simulation.gaps_ev` of so many exposures, each `gap_ev` above the one before it."""
    return tuple(gap_ev * rank for rank in range(cycle))


@dataclass(frozen=True, slots=True)
class Delivered:
    """The truth of one delivered frame: instant of the scene, place in the cycle, slot in time."""

    instant: int
    rank: int
    slot: int


def simulate_exposures(
    radiance: Radiance,
    gaps_ev: Sequence[float] = (0.0, 3.0),
    *,
    noise: float = 2e-3,
    rng: np.random.Generator | None = None,
    bits: int = 8,
    subsampling: tuple[int, int] = (1, 1),
) -> list[tuple[Plane, ...]]:
    """Give all exposures of one instant, darkest first, as BT.709 limited-range planes.

    Args:
        radiance: (H, W, 3) float32, 1.0 just saturates the exposure of 0 EV.
        gaps_ev: exposures in EV.
        noise: sigma in linear light, on the first exposure only.
        rng: of the noise; None is seed 0.
        bits, subsampling: as in `Frame`.
    """
    rng = rng or np.random.default_rng(0)
    pictures: list[tuple[Plane, ...]] = []
    for rank, gap in enumerate(gaps_ev):
        rgb = expose(radiance, gap, noise if rank == 0 else 0.0, rng)
        codes = np.round(rgb * 65535).astype(np.uint16)
        pictures.append(rgb_to_planes(codes, bits=bits, subsampling=subsampling, color=BT709))
    return pictures


def expose(
    radiance: npt.NDArray[np.float32], ev: float, noise: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """clip(radiance 2^ev + noise, 0, 1)^(1 / 2.2): float32 of the same shape, in [0, 1]."""
    linear = radiance * np.float32(2.0**ev)
    if noise > 0:
        linear = linear + np.float32(noise) * rng.standard_normal(linear.shape, np.float32)
    return np.asarray(np.clip(linear, 0, 1) ** np.float32(1 / GAMMA), np.float32)


class SimulatedClip(Source):
    """A source of alternating exposures that also knows every exposure of every instant.

    `radiance[t]` is filmed at instant t; all exposures of an instant see the same scene through the same
    shake, and the delivered frame is one of them to the last bit. What is random depends on seed and instant
    only, so frames can be asked for in any order and again.
    """

    def __init__(
        self,
        radiance: Sequence[Radiance],
        simulation: Simulation | None = None,
        *,
        name: str = "simulated clip",
        pts: Sequence[int] | None = None,
        time_base: Fraction = Fraction(1, 25),
        rate: Fraction = Fraction(25),
        longest: Sequence[Radiance] | None = None,
    ) -> None:
        """Plan the clip; nothing but the first frame is read.

        Args:
            radiance: one (H, W, 3) float32 per instant, all of one size.
            simulation: how to film it; None is the standard simulation.
            name: for messages.
            pts: presentation times in units of `time_base`, one per instant; None counts 0, 1, 2 ...
            time_base, rate: as in `SourceInfo`.
            longest: what the brightest exposure sees of each instant instead, under `blur`.
        """
        if len(radiance) == 0:
            raise InputError(f"{name} has no frames; give at least one")
        self._longest = longest
        self.simulation = simulation or Simulation()
        self.truth = _deliveries(len(radiance), self.simulation)
        self._radiance = radiance
        self._pts = list(pts) if pts is not None else list(range(len(radiance)))
        self._white = float(np.percentile(radiance[0], WHITE_PERCENTILE)) or 1.0
        self._shake = _shake(len(radiance), self.simulation)
        self._closed = False
        self._scene = lru_cache(maxsize=4)(self._make_scene)
        self._picture = lru_cache(maxsize=24)(self._make_picture)
        self._coded = lru_cache(maxsize=None)(self._make_coded)
        height, width = radiance[0].shape[:2]
        self.info = SourceInfo(
            name=name,
            width=width,
            height=height,
            bits=self.simulation.bits,
            subsampling=self.simulation.subsampling,
            color=BT709,
            time_base=time_base,
            rate=rate,
            frame_count=len(self.truth),
        )

    @property
    def cycle(self) -> int:
        """Number of exposures."""
        return len(self.simulation.gaps_ev)

    @property
    def instants(self) -> int:
        """Number of instants of the scene, lost ones counted too."""
        return len(self._radiance)

    def __len__(self) -> int:
        """Number of frames that are delivered."""
        return len(self.truth)

    def __iter__(self) -> Iterator[Frame]:
        for index in range(len(self)):
            if self._closed:
                return
            yield self.frame(index)

    def close(self) -> None:
        """End a running iteration."""
        self._closed = True

    def frame(self, index: int) -> Frame:
        """Give the delivered frame of this index."""
        delivered = self.truth[index]
        picture = self._picture(delivered.instant, delivered.rank)
        if self.simulation.degrade == "h264":
            picture = replace(picture, planes=self._coded(0)[index])
        return replace(picture, index=index, pts=self._time(delivered.slot))

    def exposures(self, instant: int, *, calm: bool = False) -> tuple[Frame, ...]:
        """Give every exposure of one instant, darkest first: what an oracle fuses. `index` is the instant.

        Args:
            instant: from 0 on.
            calm: as they would be if the light did not flicker and nothing degraded them; the drift stays.
        """
        calm = calm and (self.simulation.flicker > 0 or self.simulation.degrade != "none")
        pictures = tuple(self._picture(instant, rank, calm) for rank in range(self.cycle))
        if self.simulation.degrade != "h264" or calm:
            return pictures
        index = next(n for n, delivered in enumerate(self.truth) if delivered.instant == instant)
        shifts = [(rank - self.truth[index].rank) % self.cycle for rank in range(self.cycle)]
        return tuple(
            replace(picture, planes=self._coded(shift)[index])
            for picture, shift in zip(pictures, shifts, strict=True)
        )

    def radiance(self, instant: int) -> Radiance:
        """(H, W, 3) float32 of one instant: 1 just saturates the darkest exposure, and there is more."""
        return self._scene(instant)

    def scene_lumas(self, instant: int) -> tuple[npt.NDArray[np.float32], ...]:
        """(H, W) luma in [0, 1] of every exposure without noise and drift: for motion masks and flow."""
        light = luminance(self._scene(instant))
        quiet = np.random.default_rng(0)
        return tuple(expose(light, gap, 0.0, quiet) for gap in self.simulation.gaps_ev)

    def _make_coded(self, shift: int) -> list[tuple[Plane, ...]]:
        """Give every delivered frame as the camera's encoder leaves it, had the camera begun so many ranks later."""
        return coded([self._picture(seen.instant, (seen.rank + shift) % self.cycle) for seen in self.truth])

    def _make_picture(self, instant: int, rank: int, calm: bool = False) -> Frame:
        setting = self.simulation
        change = setting.drift_ev * float(np.sin(2 * np.pi * instant / _DRIFT_PERIOD))
        if not calm:
            change += float(np.log2(1 + setting.flicker * np.sin(2 * np.pi * RIPPLES * instant)))
        light, noise = self._scene(instant), setting.noise if rank == 0 else 0.0
        if setting.degrade != "none" and not calm:
            light, noise = self._degraded(light, noise, instant, rank)
        planes = simulate_exposures(
            self._coloured(light, rank),
            [setting.gaps_ev[rank] + change],
            noise=noise,
            rng=np.random.default_rng((setting.seed, instant)),
            bits=setting.bits,
            subsampling=setting.subsampling,
        )[0]
        known = Exposure(time_us=1000 * 2.0 ** setting.gaps_ev[rank], gain=1.0, rank=rank)
        return Frame(
            planes=planes,
            bits=setting.bits,
            subsampling=setting.subsampling,
            color=BT709,
            pts=self._time(instant),
            time_base=self.info.time_base,
            index=instant,
            exposure=known if setting.known_exposures else None,
        )

    def _degraded(self, light: Radiance, noise: float, instant: int, rank: int) -> tuple[Radiance, float]:
        """Give what this exposure sees of the light, and the sigma of the noise that it gets beside that."""
        setting = self.simulation
        if setting.degrade == "iso":
            return sensor_noise(light, np.random.default_rng((setting.seed, instant, rank))), 0.0
        if setting.degrade == "bands":
            periods = 2.0 ** (setting.gaps_ev[rank] - setting.gaps_ev[-1])
            return light * bands(len(light), RIPPLES * instant, periods), noise
        if setting.degrade == "blur" and rank == self.cycle - 1 and self._longest is not None:
            return self._placed(self._longest[instant], instant), noise
        return light, noise

    def _coloured(self, scene: Radiance, rank: int) -> Radiance:
        """As the white balance of this exposure shows it."""
        ev = self.simulation.white_balance_ev * rank / (self.cycle - 1)
        return scene if ev == 0 else scene * np.array([2.0**ev, 1.0, 2.0**-ev], np.float32)

    def _make_scene(self, instant: int) -> Radiance:
        radiance = self._radiance[instant]
        if radiance.shape != (self.info.height, self.info.width, 3):
            raise InputError(
                f"{self.info.name} changes from {self.info.width}x{self.info.height} to "
                f"{radiance.shape[1]}x{radiance.shape[0]} at frame {instant}; give frames of one size"
            )
        return self._placed(radiance, instant)

    def _placed(self, radiance: Radiance, instant: int) -> Radiance:
        """With white at 1, and as the hand holds the camera."""
        scene = radiance / np.float32(self._white)
        dx, dy = self._shake[instant]
        if dx == 0 and dy == 0:
            return scene
        shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        size = scene.shape[1], scene.shape[0]
        moved = cv2.warpAffine(scene, shift, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(moved, np.float32)

    def _time(self, slot: int) -> int:
        """Presentation time of a slot; doubled frames can reach past the last instant."""
        beyond = slot - len(self._pts) + 1
        if beyond <= 0:
            return self._pts[slot]
        step = self._pts[-1] - self._pts[-2] if len(self._pts) > 1 else 1
        return self._pts[-1] + beyond * step


def _deliveries(instants: int, simulation: Simulation) -> tuple[Delivered, ...]:
    rng = np.random.default_rng((simulation.seed, _LOSSES))
    cycle = len(simulation.gaps_ev)
    start = 0 if simulation.first == "under" else cycle - 1
    delivered: list[Delivered] = []
    slot = 0
    for instant in _order(instants, simulation):
        lost, doubled = rng.random(2) < (simulation.drop, simulation.double)
        copies = 0 if lost else 2 if doubled else 1
        for _ in range(copies):
            delivered.append(Delivered(instant, (start + instant) % cycle, slot))
            slot += 1
        if lost and simulation.pts_gaps:
            slot += 1
    return tuple(delivered)


def _order(instants: int, simulation: Simulation) -> list[int]:
    """Give the order in which instants are delivered: some change places with the one after them."""
    order = list(range(instants))
    if simulation.swap > 0:
        late = np.random.default_rng((simulation.seed, _ORDER)).random(instants) < simulation.swap
        for place in range(instants - 1):
            if late[place] and order[place] == place:  # not one that has changed places already
                order[place], order[place + 1] = order[place + 1], order[place]
    return order


def _shake(instants: int, simulation: Simulation) -> npt.NDArray[np.float64]:
    """(instants, 2) places of a hand that wanders about its resting place, in pixels; the first is 0, 0."""
    places = np.zeros((instants, 2))
    if simulation.shake_px > 0:
        rng = np.random.default_rng((simulation.seed, _SHAKE))
        steps = rng.normal(0, simulation.shake_px * np.sqrt(1 - _SHAKE_MEMORY**2), (instants, 2))
        for instant in range(1, instants):
            places[instant] = _SHAKE_MEMORY * places[instant - 1] + steps[instant]
    return places
