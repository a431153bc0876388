"""Ways to look inside: exposures beside the fused picture, and pictures of what each stage saw."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamfuse.core.color import planes_to_rgb
from streamfuse.core.frame import FusedFrame, Map, Plane, WeighedBracket
from streamfuse.core.output_file import write_bytes_file
from streamfuse.core.protocols import SourceInfo
from streamfuse.errors import OutputError, OutputExistsError
from streamfuse.imaging.coded import encoded
from streamfuse.imaging.grid import resample

_NAME = re.compile(r"\d{6,}-(\d+-(exposure|trust|weight)|gain|fused).*\.png")
PANELS = 3  # darkest, brightest, fused


def side_by_side_width(info: SourceInfo) -> int:
    """Width of a side-by-side picture: each panel is padded to whole chroma samples."""
    step = 1 << info.subsampling[0]
    return PANELS * (-(-info.width // step) * step)


def side_by_side(weighed: WeighedBracket, fused: FusedFrame) -> FusedFrame:
    """Darkest | brightest | fused, as aligned, in one picture."""
    exposures = weighed.aligned.exposures
    panels = (exposures[0], exposures[-1], fused.planes)
    step = 1 << fused.subsampling[0]
    planes = []
    for index in range(len(fused.planes)):
        width = -(-fused.width // step) * (step if index == 0 else 1)
        planes.append(np.hstack([_widen(panel[index], width) for panel in panels]))
    return replace(fused, planes=tuple(planes))


def _widen(plane: Plane, width: int) -> Plane:
    return np.pad(plane, ((0, 0), (0, width - plane.shape[1])), mode="edge")


class StageDump:
    """Writes PNGs of every `every`-th instant: aligned exposures, trust, weights and the fused picture.

    Where pictures of another run are, the new ones are made in a folder `unfinished` in it and replace them with
    `finish`, all together; without it both stay.

    Args:
        folder: made if it is not there.
        every: which instants.
        overwrite: pictures that are there may be replaced.

    Raises:
        OutputExistsError: there are pictures of another run, and `overwrite` is not set.
        OutputError: the folder or a file cannot be written.
    """

    def __init__(self, folder: Path, every: int = 10, *, overwrite: bool = False) -> None:
        self._target = self._folder = folder
        self._every = every
        self._count = 0
        try:
            self._old = _dumped(folder)
            if self._old and not overwrite:
                raise OutputExistsError(
                    f"{folder} has pictures of another run: choose another folder for --dump-stages or add --overwrite."
                )
            if self._old:
                self._folder = folder / "unfinished"
                for path in _dumped(self._folder):  # of a run that failed
                    path.unlink()
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if isinstance(error, OutputExistsError):
                raise
            raise OutputError(f"{folder} cannot be made for --dump-stages: {error.strerror}.") from error

    def finish(self) -> None:
        """Put the pictures in the place of those that were there.

        Raises:
            OutputError: they cannot be replaced.
        """
        if self._folder == self._target:
            return
        try:
            for path in self._old:
                path.unlink(missing_ok=True)
            for path in _dumped(self._folder):
                path.replace(self._target / path.name)
            self._folder.rmdir()
        except OSError as error:
            raise OutputError(
                f"{self._target} cannot be replaced ({error.strerror}): the missing ones are in {self._folder}."
            ) from error

    @property
    def sentence(self) -> str:
        """Give what was written, and what each picture shows."""
        nth = {1: "every", 2: "every second", 3: "every third"}.get(self._every, f"every {self._every}th")
        return (
            f"{self._target} has pictures of {nth} frame, named after its number: exposures as aligned, dark (0) to "
            "bright; trust (white: the made exposure is believed); weight (white: this exposure alone counts; level 0 "
            "is the finest detail, the highest the overall tone); gain of detail (mid-grey: unchanged); fused."
        )

    def __call__(self, weighed: WeighedBracket, fused: FusedFrame) -> FusedFrame:
        """Write the pictures of this instant if it is its turn; gives the frame back unchanged."""
        if self._count % self._every == 0:
            self._write(weighed, fused)
        self._count += 1
        return fused

    def _write(self, weighed: WeighedBracket, fused: FusedFrame) -> None:
        aligned = weighed.aligned
        size = (fused.height, fused.width)
        for rank, planes in enumerate(aligned.exposures):
            role = "reference" if rank == aligned.bracket.rank else "aligned"
            rgb = planes_to_rgb(planes, fused.bits, fused.subsampling, fused.color)
            self._save(fused.index, f"{rank}-exposure-{role}", rgb[..., ::-1])
            trust = aligned.trust[rank]
            if trust is not None:
                self._save(fused.index, f"{rank}-trust", _grey(resample(trust, size)))
            for level in (0, len(weighed.maps.priors) - 1):
                prior = resample(weighed.maps.priors[level][rank], size, coverage=weighed.maps.coverage)
                self._save(fused.index, f"{rank}-weight-level{level}", _grey(prior))
        for level, gain in enumerate(weighed.maps.gains):
            picture = resample(gain, size, coverage=weighed.maps.coverage) - np.float32(0.5)
            self._save(fused.index, f"gain-level{level}", _grey(picture))
        self._save(fused.index, "fused", fused.bgr())

    def _save(self, index: int, name: str, picture: Plane) -> None:
        path = self._folder / f"{index:06d}-{name}.png"
        write_bytes_file(path, encoded(path.suffix, picture))


def _dumped(folder: Path) -> list[Path]:
    """Give the pictures of a run that are in a folder."""
    return [path for path in folder.glob("*.png") if _NAME.fullmatch(path.name)]


def _grey(values: Map) -> Plane:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
