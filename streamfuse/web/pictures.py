"""Pictures and histograms of a run, each made once however many clients ask for it, off the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypedDict, TypeVar, get_args

import cv2
import numpy as np

from streamfuse.core.frame import Rgb
from streamfuse.imaging.coded import jpeg
from streamfuse.runtime.live.status import LiveControl, View

Size = Literal["preview", "full"]
Made = TypeVar("Made")

VIEWS: Final[tuple[View, ...]] = get_args(View)
HISTOGRAM_VIEWS: Final[tuple[View, ...]] = ("under", "over", "fused")
PREVIEW_SIDE = 1280  # pixels; longest side of what the page and the stream show
BINS = 64
_QUALITY: Final[dict[Size, int]] = {"preview": 82, "full": 93}
_CLIPPED = 2  # code values at either end that count as clipped
_PULL_SECONDS = 0.25  # one wait for a picture: short, so that nothing outlives a close for long


@dataclass(frozen=True, slots=True)
class Numbered(Generic[Made]):
    """What was made of picture `number`."""

    number: int
    made: Made


class Newest(Generic[Made]):
    """What is made of the newest picture of a view: one thread makes it, all who wait get the same.

    Args:
        control: where the pictures come from.
        view: which of them.
        make: what to make of a picture.
        pool: where it is made.
        fresh: seconds that the newest one is taken for the newest without asking again.
    """

    def __init__(
        self,
        control: LiveControl,
        view: View,
        make: Callable[[Rgb], Made],
        pool: ThreadPoolExecutor,
        fresh: float,
    ) -> None:
        self._control = control
        self._view = view
        self._make = make
        self._pool = pool
        self._fresh = fresh
        self._newest: Numbered[Made] | None = None
        self._asked = -float("inf")  # when the run last said what is newest
        self._pull: asyncio.Future[None] | None = None

    async def newer(self, after: int, timeout: float) -> Numbered[Made] | None:
        """Give the newest one if its number is above `after`, else the next; None if none came in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            newest = self._newest
            if newest is not None and newest.number > after and self._is_fresh():
                return newest
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            if self._pull is None:
                self._pull = asyncio.ensure_future(self._refresh())
            pull = self._pull
            await asyncio.wait({pull}, timeout=remaining)
            if pull.done():
                pull.result()

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._asked < self._fresh

    async def _refresh(self) -> None:
        """Ask once. What was made long ago may be old news, so then the run is asked for any picture at all."""
        known = self._newest
        after = known.number if known is not None and self._is_fresh() else -1
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, after, known)
            if found is not None or after == -1:
                self._newest = found
            self._asked = time.monotonic()
        finally:
            self._pull = None

    def _ask(self, after: int, known: Numbered[Made] | None) -> Numbered[Made] | None:
        found = self._control.picture(self._view, after, _PULL_SECONDS)
        if found is None:
            return None
        number, picture = found
        return (
            known if known is not None and known.number == number else Numbered(number, self._make(picture))
        )


class Pictures:
    """All that clients can be shown of a run's pictures.

    Attributes:
        encoded: JPEGs made so far.
    """

    def __init__(self, control: LiveControl) -> None:
        self.encoded = 0
        # One thread for each thing that can be asked for: none ever waits for another one.
        self._pool = ThreadPoolExecutor(
            len(VIEWS) * len(_QUALITY) + len(HISTOGRAM_VIEWS), thread_name_prefix="web-picture"
        )
        self._jpegs = {
            (view, size): Newest(control, view, self._encoder(size), self._pool, fresh=0.1)
            for view in VIEWS
            for size in _QUALITY
        }
        self._histograms = {
            view: Newest(control, view, histogram, self._pool, fresh=0.5) for view in HISTOGRAM_VIEWS
        }

    async def jpeg(self, view: View, size: Size, after: int, timeout: float) -> Numbered[bytes] | None:
        """Give the newest picture with a number above `after` as JPEG, `preview` or `full` size; None if none came."""
        return await self._jpegs[view, size].newer(after, timeout)

    async def histograms(self, timeout: float) -> dict[str, dict[str, object] | None]:
        """`histogram` of the newest under, over and fused picture; None for a view that has none."""
        found = await asyncio.gather(*(newest.newer(-1, timeout) for newest in self._histograms.values()))
        return {
            view: None if numbered is None else {"number": numbered.number, **numbered.made}
            for view, numbered in zip(self._histograms, found, strict=True)
        }

    def close(self) -> None:
        """Make nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _encoder(self, size: Size) -> Callable[[Rgb], bytes]:
        def make(picture: Rgb) -> bytes:
            self.encoded += 1
            return encode(picture, size)

        return make


def encode(picture: Rgb, size: Size) -> bytes:
    """JPEG (4:2:0) of (H, W, 3) RGB; `preview` is brought to `PREVIEW_SIDE` pixels if it is larger."""
    side = max(picture.shape[:2])
    if size == "preview" and side > PREVIEW_SIDE:
        height, width = (max(1, round(length * PREVIEW_SIDE / side)) for length in picture.shape[:2])
        # Area sampling is slow by anything but whole numbers, and needed only where pixels would be left out.
        way = cv2.INTER_AREA if side >= 2 * PREVIEW_SIDE else cv2.INTER_LINEAR
        picture = cv2.resize(picture, (width, height), interpolation=way)
    return jpeg(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _QUALITY[size])


class Histogram(TypedDict):
    """Luma: the shares in `BINS` equal bins, and those at both ends."""

    luma: list[float]
    dark: float
    bright: float


def histogram(picture: Rgb) -> Histogram:
    """Count the luma of (H, W, 3) RGB."""
    step = max(1, max(picture.shape[:2]) // 512)
    luma = cv2.cvtColor(np.ascontiguousarray(picture[::step, ::step]), cv2.COLOR_RGB2GRAY)
    counts = np.bincount(luma.reshape(-1), minlength=256) / luma.size
    return {
        "luma": [round(float(share), 5) for share in counts.reshape(BINS, -1).sum(axis=1)],
        "dark": round(float(counts[:_CLIPPED].sum()), 5),
        "bright": round(float(counts[-_CLIPPED:].sum()), 5),
    }
