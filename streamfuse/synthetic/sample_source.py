"""`sample:`, a built-in alternating-exposure camera in front of a moving high-contrast scene.

Everything about it is known: the exposure of each frame, all exposures of each instant, the camera's motion,
and which frames were lost or doubled. The same options always give the same pixels.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from typing import get_args
from urllib.parse import parse_qsl

import numpy as np
import numpy.typing as npt

from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure, Frame, Plane
from streamfuse.core.protocols import Source, SourceInfo
from streamfuse.core.rates import read_rate
from streamfuse.core.spec_options import Parsers, read_options, size, switch, with_size
from streamfuse.core.values import First
from streamfuse.errors import UsageError
from streamfuse.synthetic import stamp as stamps
from streamfuse.synthetic.paint import Image
from streamfuse.synthetic.rows import expose
from streamfuse.synthetic.scene import Scene, scene
from streamfuse.synthetic.sensor import FULL_WELL, NOISE_SLACK, READ_NOISE, gamma_table, noise_picture

_COLOR = ColorInfo(matrix=1, primaries=1, transfer=1, full_range=False)
_SUBSAMPLING = (1, 1)
_BASE_TIME_US = 500.0  # exposure time of the darkest frame
_SECONDS_THERE = 4  # that an endless scene moves forward, before it moves back again
_MAX_KEPT_BYTES = 96 << 20


class SampleSource(Source):
    """Alternating exposures of a dim room with a window on a sunlit lake.

    Instant i is the scene at i / rate seconds; one frame is taken of each, at the exposure `rank(i)`. The
    darkest exposure just holds the clouds; each further one gets `gap_ev` more. Linear light gets shot
    and read noise, then a gamma of 1 / 2.2, and becomes BT.709 limited-range 4:2:0 planes.

    Endless, the scene moves forward for four seconds and back again, so that it comes by with the same frames. In
    real time all of them are rendered before the first is delivered, where they fit into 96 MiB (640x360 at 60 frames
    per second do): what stands in for a camera shall not eat the machine that is tried with it.

    Args:
        width, height: frame size in pixels, 16 or more.
        frames: number of instants; None goes on for ever, there and back.
        rate: instants per second.
        gap_ev: exposure step between neighbouring ranks, in EV.
        cycle: number of exposures, 2 or more (1: a plain clip of the darkest exposure).
        bits: 8..16.
        noise: add sensor noise.
        seed: of noise, losses and the details of the scene.
        drop: probability that the frame of an instant is lost; its time stamp is missing then.
        double: probability that a frame comes twice; all later time stamps move by one.
        first: the exposure of instant 0; the others follow in order (`over` counts down).
        metadata: give each frame its exposure time and gain.
        paced: deliver in real time, with `captured_at`.
        stamp: burn the time of capture and the rank into the picture, see `streamfuse.synthetic.stamp`.

    Attributes:
        info: what is known before the first frame.

    Raises:
        UsageError: a value out of its range.
    """

    def __init__(
        self,
        width: int = 640,
        height: int = 360,
        frames: int | None = 60,
        rate: Fraction | int = 30,
        gap_ev: float = 3.0,
        *,
        cycle: int = 2,
        bits: int = 8,
        noise: bool = True,
        seed: int = 0,
        drop: float = 0.0,
        double: float = 0.0,
        first: First = "under",
        metadata: bool = False,
        paced: bool = False,
        stamp: bool = False,
    ) -> None:
        _require(
            "size",
            f"{width}x{height}",
            16 <= min(width, height) <= max(width, height) <= 8192,
            "16..8192 a side",
        )
        _require("frames", frames, frames is None or frames >= 1, "1 or more")
        _require("rate", rate, 0 < rate <= 1000, "above 0 and at most 1000")
        _require("gap", gap_ev, 0 <= gap_ev <= 12, "0..12 EV")
        _require("cycle", cycle, 1 <= cycle <= 9, "1..9")
        _require("bits", bits, 8 <= bits <= 16, "8..16")
        _require("seed", seed, seed >= 0, "0 or more")
        _require("drop", drop, 0 <= drop < 1, "at least 0 and below 1")
        _require("double", double, 0 <= double < 1, "at least 0 and below 1")
        _require("first", first, first in get_args(First), "under or over")
        _require(
            "size", f"{width}x{height}", not stamp or stamps.fits(width, height), "128x16 or more for a stamp"
        )
        self.rate = Fraction(rate)
        self.gap_ev, self.cycle, self.first = gap_ev, cycle, first
        self._frames, self._seed, self._noise = frames, seed, noise
        self._drop, self._double = drop, double
        self._metadata, self._paced, self._stamp = metadata, paced, stamp
        self._closed = threading.Event()
        self._there = max(1, round(_SECONDS_THERE * self.rate)) if frames is None else None
        self._kept: dict[tuple[int, int], tuple[Plane, ...]] = {}  # by instant of the scene, and rank
        self.info = SourceInfo(
            name="sample",
            width=width,
            height=height,
            bits=bits,
            subsampling=_SUBSAMPLING,
            color=_COLOR,
            time_base=1 / self.rate,
            rate=self.rate,
            frame_count=None if frames is None else len(self.instants()),
            live=paced,
        )

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames in order; ends soon after `close`."""
        if self._keeps:
            for instant in range(2 * (self._there or 0) * self.cycle):
                if self._closed.is_set():
                    return
                self._planes(instant)
        began = time.monotonic()
        for index, (slot, instant) in enumerate(self._schedule()):
            wait = began + float(slot / self.rate) - time.monotonic() if self._paced else 0.0
            if self._closed.wait(wait) if wait > 0 else self._closed.is_set():
                return
            yield self._frame(index, slot, instant)

    def close(self) -> None:
        """End the iteration; may be called from another thread and more than once."""
        self._closed.set()

    def rank(self, instant: int) -> int:
        """Give the exposure of the frame taken at this instant: 0 = darkest."""
        step = instant % self.cycle
        return step if self.first == "under" else self.cycle - 1 - step

    def moment(self, instant: int) -> int:
        """Give the instant of the scene that this one shows: itself, unless an endless scene moves back by now."""
        if self._there is None:
            return instant
        step = instant % (2 * self._there)
        return min(step, 2 * self._there - step)

    def instants(self) -> tuple[int, ...]:
        """Give the instant that each delivered frame shows; a lost one is missing, a doubled one is there twice.

        Raises:
            UsageError: this source goes on for ever.
        """
        if self._frames is None:
            raise UsageError("An endless sample has no list of its instants: give it a number of frames.")
        return tuple(instant for _, instant in self._schedule())

    def camera(self, instant: int) -> npt.NDArray[np.float64]:
        """(2, 3) affine map from this instant's pixels to a picture of the room that stands still.

        The room's motion from instant a to b is inverse(camera(b)) after camera(a), exactly; what is outside
        the window moves half as much, and the objects move on their own.
        """
        return self._scene().camera(float(self.moment(instant) / self.rate))

    def exposures_at(self, instant: int, *, noisy: bool = False) -> tuple[tuple[Plane, ...], ...]:
        """Give all exposures of one instant, darkest first: `cycle` times (Y, Cb, Cr), as in the frames.

        With `noisy` the entry `rank(instant)` is the very frame, if the source has noise.
        """
        moment = self.moment(instant)
        light = self._scene().radiance(float(moment / self.rate))
        return tuple(self._expose(light, moment, rank, noisy) for rank in range(self.cycle))

    def _scene(self) -> Scene:
        return scene(self.info.width, self.info.height, self._seed)

    def _schedule(self) -> Iterator[tuple[int, int]]:
        """(slot, instant) of each delivered frame; a slot is a time stamp."""
        slot = 0
        for instant in count() if self._frames is None else range(self._frames):
            lost, twice = np.random.default_rng((self._seed, 1, instant)).random(2) < (
                self._drop,
                self._double,
            )
            if not lost:
                yield slot, instant
                if twice:
                    slot += 1
                    yield slot, instant
            slot += 1

    def _frame(self, index: int, slot: int, instant: int) -> Frame:
        rank = self.rank(instant)
        time_us = _BASE_TIME_US * 2.0 ** (self.gap_ev * rank)
        planes = self._planes(instant)
        now = time.monotonic()
        if self._stamp:
            mark = stamps.Stamp(stamps.milliseconds(now), rank)
            planes = stamps.burn(planes, mark, self.info.bits, _SUBSAMPLING, _COLOR)
        return Frame(
            planes=planes,
            bits=self.info.bits,
            subsampling=_SUBSAMPLING,
            color=_COLOR,
            pts=slot,
            time_base=self.info.time_base,
            index=index,
            exposure=Exposure(time_us=time_us, gain=1.0) if self._metadata else None,
            captured_at=now if self._paced else None,
        )

    @property
    def _keeps(self) -> bool:
        """Tell whether every frame there is is rendered once and kept."""
        pixels = self.info.width * self.info.height * 3 // 2 * (1 if self.info.bits == 8 else 2)
        frames = (self._there or 0) * (1 if self.cycle <= 2 else 2)
        return self._paced and 0 < frames * pixels <= _MAX_KEPT_BYTES

    def _planes(self, instant: int) -> tuple[Plane, ...]:
        """Give the frame of this instant, without a stamp."""
        key = moment, rank = self.moment(instant), self.rank(instant)
        planes = self._kept.get(key)
        if planes is None:
            light = self._scene().radiance(float(moment / self.rate))
            planes = self._expose(light, moment, rank, self._noise)
            if self._keeps:
                self._kept[key] = planes
        return planes

    def _expose(self, light: Image, instant: int, rank: int, noisy: bool) -> tuple[Plane, ...]:
        """Give one exposure of (H, W, 3) linear light, as planes."""
        noise = noise_picture(self.info.height, self.info.width, (self._seed, 3))
        corner, sensor = (0, 0), (np.float32(0), np.float32(0))
        if noisy:
            rng = np.random.default_rng((self._seed, 2, instant, rank))
            top, left = rng.integers(0, NOISE_SLACK, 2)  # a crop at a place that this frame draws
            corner, sensor = (int(top), int(left)), (np.float32(1 / FULL_WELL), np.float32(READ_NOISE**2))
        codes = np.empty(light.shape, np.uint16)
        expose(light, noise, corner, np.float32(2.0 ** (self.gap_ev * rank)), sensor, gamma_table(), codes)
        return rgb_to_planes(codes, bits=self.info.bits, subsampling=_SUBSAMPLING, color=_COLOR)


def open_sample(spec: str) -> SampleSource:
    """Open `sample:` with options, such as `sample:?size=1280x720&frames=90&gap=4&cycle=3&first=over`.

    Keys: size, frames (a number, or `endless`), rate, gap, cycle, bits, noise (on, off), seed, drop, double,
    first, metadata (on, off), stamp (on, off). `sim:` takes the same and behaves like a camera: in real time, and
    endless unless `frames` is given.

    Raises:
        UsageError: a misspelt key, or a value that does not fit.
    """
    scheme, _, rest = spec.partition(":")
    if scheme not in {"sample", "sim"}:
        raise UsageError(f"{spec!r} is no sample source: it begins with 'sample:' or 'sim:'.")
    given = parse_qsl(rest.removeprefix("?"), keep_blank_values=True)
    live = {"paced": True, "frames": None} if scheme == "sim" else {}
    return SampleSource(**live | with_size(read_options(repr(spec), given, _PARSERS)))


_PARSERS: Parsers = {
    "size": ("size", size),
    "frames": ("frames", lambda text: None if text == "endless" else int(text)),
    "rate": ("rate", read_rate),
    "gap": ("gap_ev", float),
    **{name: (name, int) for name in ("cycle", "bits", "seed")},
    **{name: (name, switch) for name in ("noise", "metadata", "stamp")},
    **{name: (name, float) for name in ("drop", "double")},
    "first": ("first", str),
}


def _require(name: str, value: object, fits: bool, range_: str) -> None:
    if not fits:
        raise UsageError(f"The sample's {name} is {value}: it has to be {range_}.")
