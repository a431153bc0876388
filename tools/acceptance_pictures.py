"""Inputs for tools/acceptance.py, and how good what was made of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from streamfuse.core.color import planes_to_rgb
from streamfuse.core.frame import Plane
from streamfuse.core.protocols import Source
from streamfuse.lab.evaluate.baseline_stills import opencv_mertens
from streamfuse.lab.evaluate.baselines import Exposed, align_mtb
from streamfuse.lab.evaluate.mef_ssim import mef_ssim
from streamfuse.lab.evaluate.still_measures import grey
from streamfuse.lab.stored import store
from streamfuse.photo.reading import read_photo
from streamfuse.photo.writing import write_photo
from streamfuse.runtime.sources import open_source
from streamfuse.synthetic.sample_source import SampleSource

Rgb = npt.NDArray[np.uint8]
_SCORED = 6  # frames of a clip
_PHOTO_SIZE = (1280, 720)


@dataclass(frozen=True)
class Clip:
    """The scene that a clip was filmed of."""

    source: SampleSource
    frames: int

    def scores(self, fused: Path) -> tuple[float, float]:
        """Mean MEF-SSIM against both exposures of each instant: of the fused clip, of AlignMTB + MergeMertens."""
        wanted = {int(n) for n in np.linspace(1, self.frames - 1, _SCORED)}
        with open_source(fused) as source:
            made = {frame.index: frame.rgb() for frame in source if frame.index in wanted}
        scores = [(self._score(n, picture), self._score(n, self._baseline(n))) for n, picture in made.items()]
        mine, baseline = np.mean(scores, axis=0)
        return round(float(mine), 4), round(float(baseline), 4)

    def _score(self, instant: int, picture: Rgb) -> float:
        return score([_rgb(self.source, planes) for planes in self.source.exposures_at(instant)], picture)

    def _baseline(self, instant: int) -> Rgb:
        """From the frame of this instant and the one before."""
        here, before = (self._taken(n) for n in (instant, instant - 1))
        return opencv_mertens(sorted((here.rgb, align_mtb(here, before)), key=np.mean))

    def _taken(self, instant: int) -> Exposed:
        rank = self.source.rank(instant)
        planes = self.source.exposures_at(instant, noisy=True)[rank]
        return Exposed(_rgb(self.source, planes), rank * self.source.gap_ev)


@dataclass(frozen=True)
class Photos:
    """Exposures of one instant."""

    exposures: tuple[Rgb, ...]

    def scores(self, fused: Path) -> tuple[float, float]:
        """MEF-SSIM of the fused photograph, of MergeMertens."""
        mine = score(self.exposures, read_photo(fused).pixels)
        return round(mine, 4), round(score(self.exposures, opencv_mertens(self.exposures)), 4)


def score(exposures: Sequence[Rgb], fused: Rgb) -> float:
    """MEF-SSIM of the grey of pictures."""
    return mef_ssim([torch.from_numpy(grey(e)) for e in exposures], torch.from_numpy(grey(fused)))


def make_clip(path: Path, size: tuple[int, int], frames: int) -> Clip:
    """An alternating clip of the built-in scene."""
    source = SampleSource(*size, frames)
    store(path, source)
    return Clip(source, frames)


def make_photos(folder: Path) -> Photos:
    """Three exposures of an instant: dark.jpg, middle.jpg, bright.jpg."""
    source = SampleSource(*_PHOTO_SIZE, 3, cycle=3, gap_ev=1.5)
    taken = tuple(_rgb(source, planes) for planes in source.exposures_at(0))
    for name, rgb in zip(("dark", "middle", "bright"), taken, strict=True):
        write_photo(folder / f"{name}.jpg", rgb)
    return Photos(taken)


def _rgb(source: Source, planes: tuple[Plane, ...]) -> Rgb:
    info = source.info
    return np.asarray(planes_to_rgb(planes, info.bits, info.subsampling, info.color), np.uint8)
