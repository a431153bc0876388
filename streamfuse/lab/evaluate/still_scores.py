"""Scenes of photographs, and the scores of what was fused from one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamfuse.capture.image_source import natural_key
from streamfuse.core.color import to_8_bit
from streamfuse.core.frame import Rgb
from streamfuse.errors import InputError, InputNotFoundError
from streamfuse.imaging.coded import PICTURE_SUFFIXES
from streamfuse.lab.evaluate import still_measures
from streamfuse.lab.evaluate.baseline_stills import StillFuse
from streamfuse.lab.evaluate.color_difference import color_differences
from streamfuse.lab.evaluate.extremes import ExtremesMeter
from streamfuse.lab.evaluate.frame_measures import PSNR_CAP
from streamfuse.lab.evaluate.mef_ssim import WINDOW, MefSsim
from streamfuse.lab.evaluate.metrics import psnr, ssim
from streamfuse.photo.reading import read_photo

REFERENCE = "reference"


class StillMeasure(NamedTuple):
    """How a figure of a photograph is told.

    Args:
        heading: of its column.
        higher_is_better: which way is better.
        decimals: that are shown.
        group: the table that it stands in.
        says: what it is, with its unit.
    """

    heading: str
    higher_is_better: bool
    decimals: int
    group: str
    says: str


_LIKENESS, _FAULTS = "Likeness", "What fusion adds"
_HIGHLIGHTS, _SHADOWS = (
    "Highlights that only the dark exposure knows",
    "Shadows that only the bright exposure knows",
)
STILL_MEASURES: Mapping[str, StillMeasure] = {
    "mef_ssim": StillMeasure("MEF-SSIM", True, 4, _LIKENESS, "structure kept of all exposures, 1 at most"),
    "psnr": StillMeasure("PSNR dB", True, 2, _LIKENESS, "likeness to the wanted picture"),
    "ssim": StillMeasure("SSIM", True, 3, _LIKENESS, "the same by structure, 1 at most"),
    "delta_e": StillMeasure("CIEDE2000", False, 2, _LIKENESS, "difference of colours to the wanted picture"),
    "delta_color": StillMeasure("colour", False, 2, _LIKENESS, "the same without lightness"),
    "noise_gain": StillMeasure(
        "noise gain", False, 2, _FAULTS, "noise that comes through, 1: all of one exposure"
    ),
    "halo": StillMeasure("halo", False, 2, _FAULTS, "seams beside edges, code values"),
    "darker": StillMeasure("% darker than all", False, 2, _FAULTS, "of the picture, than every exposure"),
    "brighter": StillMeasure("% brighter than all", False, 2, _FAULTS, "of the picture, than every exposure"),
    "clipped": StillMeasure("clipped", False, 3, _HIGHLIGHTS, "share that is lost"),
    "highlights_contrast": StillMeasure("contrast", True, 2, _HIGHLIGHTS, "the dark exposure has 1"),
    "hue": StillMeasure("hue", False, 1, _HIGHLIGHTS, "off the dark exposure's, degrees"),
    "saturation": StillMeasure("saturation", True, 2, _HIGHLIGHTS, "the dark exposure has 1"),
    "shadows_level": StillMeasure("level", True, 2, _SHADOWS, "the bright exposure has 1"),
    "shadows_contrast": StillMeasure("contrast", True, 2, _SHADOWS, "the bright exposure has 1"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Exposures of one scene, (H, W, 3) uint8, darkest first, and the wanted picture where it is known."""

    name: str
    exposures: tuple[Rgb, ...]
    reference: Rgb | None


@dataclass(frozen=True, slots=True)
class Score:
    """One fused picture; what cannot be told (no reference, nothing flat) is None.

    Args:
        scene, method: names.
        mef_ssim: three scales, of the 8-bit grey of the colour picture; at most 1.
        psnr, ssim: of the grey, to the reference; dB (at most 100), at most 1.
        delta_e: mean CIEDE2000 to the reference, both as sRGB.
        delta_color: the same with the reference's lightness: what is left is hue and chroma.
        noise_gain, halo: see `still_measures`.
        clipped and what follows: see `extremes.Extremes`.
    """

    scene: str
    method: str
    mef_ssim: float
    psnr: float | None
    ssim: float | None
    delta_e: float | None
    delta_color: float | None
    noise_gain: float | None
    halo: float | None
    clipped: float | None
    highlights_contrast: float | None
    hue: float | None
    saturation: float | None
    shadows_level: float | None
    shadows_contrast: float | None
    darker: float
    brighter: float


def find_scenes(folder: Path, names: Sequence[str] = (), at_least: int = 2) -> list[Path]:
    """Give the folders in `folder` that hold `at_least` pictures or more beside the reference.

    Args:
        folder: holds a folder per scene.
        names: only these, as far as they are there; () for all.
        at_least: exposures that a scene must have, 2 or more.

    Raises:
        InputNotFoundError: no such folder.
        InputError: no such scene in it, or a folder that cannot be read.
    """
    wanted = [path for path in _folders(folder) if not names or path.name in names]
    scenes = [path for path in wanted if len(_pictures(path)[0]) >= at_least]
    if not scenes:
        which = " of the wanted names" if names else ""
        raise InputError(
            f"{folder} holds no folders{which} with {at_least} or more pictures each: name the folder above them."
        )
    return sorted(scenes, key=natural_key)


def require_scenes(folder: Path, names: Sequence[str]) -> None:
    """Check that every name is one of a scene, so that none is left out unnoticed.

    Args:
        folder: holds a folder per scene.
        names: of folders in it that must hold 2 or more pictures beside the reference.

    Raises:
        InputNotFoundError: no such folder.
        InputError: no scenes of these names, or a folder that cannot be read.
    """
    found = {path.name for path in _folders(folder) if path.name in names and len(_pictures(path)[0]) >= 2}
    if missing := [name for name in dict.fromkeys(names) if name not in found]:
        raise InputError(
            f"{folder} holds no scene {', '.join(missing)}: give the name of a folder in it with 2 or more pictures."
        )


def _folders(folder: Path) -> list[Path]:
    with _read(folder):
        if not folder.is_dir():
            raise InputNotFoundError(f"There is no folder {folder}: check the path.")
        return [path for path in folder.iterdir() if path.is_dir()]


def _pictures(folder: Path) -> tuple[list[Path], Path | None]:
    with _read(folder):
        files = sorted((p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES), key=natural_key)
    reference = next((p for p in files if p.stem == REFERENCE), None)
    return [p for p in files if p != reference], reference


@contextmanager
def _read(folder: Path) -> Iterator[None]:
    """Give one sentence for what the system refuses."""
    try:
        yield
    except InputNotFoundError:
        raise
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be read ({error.strerror}): allow it, or choose another folder."
        ) from error


def read_scene(folder: Path, *, count: int | None = None) -> Scene:
    """Read one scene, as 8-bit R'G'B'.

    Args:
        folder: of the scene.
        count: use so many of its exposures, evenly from the darkest to the brightest, both included; None for all.

    Raises:
        InputError: a picture that cannot be read, is of another size than the rest, or is too small to be scored.
    """
    files, reference = _pictures(folder)
    exposures = sorted((_read_rgb(path) for path in files), key=lambda rgb: float(rgb.mean()))
    target = _read_rgb(reference) if reference else None
    sizes = {rgb.shape for rgb in (*exposures, *([] if target is None else [target]))}
    if len(sizes) > 1:
        found = ", ".join(f"{shape[1]}x{shape[0]}" for shape in sorted(sizes))
        raise InputError(f"The pictures in {folder} must have one size and have {found}.")
    height, width = exposures[0].shape[:2]
    if min(height, width) < WINDOW:
        raise InputError(
            f"The pictures in {folder} are {width}x{height}, and MEF-SSIM needs {WINDOW} pixels a side: give larger "
            "ones."
        )
    if count is not None:
        exposures = [exposures[round(n)] for n in np.linspace(0, len(exposures) - 1, count)]
    name = os.fsencode(folder.name).decode(errors="backslashreplace")  # a name that can be printed
    return Scene(name, tuple(exposures), target)


def _read_rgb(path: Path) -> Rgb:
    pixels = to_8_bit(read_photo(path).pixels)
    return np.ascontiguousarray(pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2))


class SceneScorer:
    """Scores any number of fused pictures of one scene; what depends on the scene alone is done once."""

    def __init__(self, scene: Scene) -> None:
        import torch

        self.scene = scene
        self._greys = [still_measures.grey(rgb) for rgb in scene.exposures]
        self._mef_ssim = MefSsim(torch.from_numpy(np.stack(self._greys))[None].double())
        self._flat = still_measures.flat_areas(self._greys)
        self._noisy = still_measures.add_noise(scene.exposures)
        self._extremes = ExtremesMeter(scene.exposures)
        reference = scene.reference
        self._reference = None if reference is None else still_measures.grey(reference)

    def score(self, method: str, fuse: StillFuse, fused: Rgb) -> Score:
        """Score what `fuse` made of the scene; `fuse` is called once more, with noise added."""
        import torch

        grey = still_measures.grey(fused)
        similarity = float(self._mef_ssim(torch.from_numpy(grey)[None, None].double())[0])
        gain = still_measures.noise_gain(fuse, self._noisy, grey, self._flat)
        halo = still_measures.halo(self._greys, grey)
        extremes = asdict(self._extremes.measure(fused))
        return Score(
            self.scene.name, method, similarity, *self._fidelity(fused, grey), gain, halo, **extremes
        )

    def _fidelity(
        self, fused: Rgb, grey: still_measures.Grey
    ) -> tuple[float | None, float | None, float | None, float | None]:
        """(PSNR, SSIM, mean CIEDE2000, the same at the reference's lightness) to the reference."""
        if self._reference is None or self.scene.reference is None:
            return None, None, None, None
        similarity = ssim(grey, self._reference)
        return (
            min(psnr(grey, self._reference), PSNR_CAP),
            None if np.isnan(similarity) else similarity,
            *color_differences(fused, self.scene.reference),
        )
