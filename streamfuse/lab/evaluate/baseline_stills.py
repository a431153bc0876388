"""What else fuses photographs: OpenCV's Mertens, enfuse, the plain mean, and each single exposure."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from streamfuse.core.frame import Rgb

StillFuse = Callable[[Sequence[Rgb]], Rgb]  # exposures of one scene, darkest first -> fused

PROGRAMS = ("enfuse",)  # baselines that are no part of this process, and may fail for reasons of their own
_ENFUSE_TIMEOUT_S = 600


def opencv_mertens(exposures: Sequence[Rgb]) -> Rgb:
    """OpenCV's `MergeMertens` with its default weights: contrast 1, saturation 1, well-exposedness 0.

    They score higher than the paper's 1, 1, 1. Its output leaves [0, 1] and is clipped, as every user has to.
    """
    fused = cv2.createMergeMertens().process([np.ascontiguousarray(rgb) for rgb in exposures])
    return np.rint(np.clip(fused, 0, 1) * 255).astype(np.uint8)


def plain_mean(exposures: Sequence[Rgb]) -> Rgb:
    """Mean of the code values."""
    return np.rint(np.mean(np.stack(exposures), axis=0)).astype(np.uint8)


def darkest(exposures: Sequence[Rgb]) -> Rgb:
    """Give the first exposure as it is."""
    return exposures[0]


def brightest(exposures: Sequence[Rgb]) -> Rgb:
    """Give the last exposure as it is."""
    return exposures[-1]


def enfuse(exposures: Sequence[Rgb]) -> Rgb:
    """Run the program `enfuse` with its defaults, through PNG files.

    Raises:
        OSError, subprocess.SubprocessError: it is not there, or fails.
    """
    with tempfile.TemporaryDirectory(prefix="streamfuse-enfuse-") as folder:
        names = []
        for number, rgb in enumerate(exposures):
            names.append(str(Path(folder) / f"{number}.png"))
            cv2.imwrite(names[-1], rgb[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        out = str(Path(folder) / "fused.png")
        subprocess.run(
            ["enfuse", "-o", out, *names], check=True, capture_output=True, timeout=_ENFUSE_TIMEOUT_S
        )
        fused = cv2.imread(out, cv2.IMREAD_COLOR)
    if fused is None:
        raise OSError("enfuse wrote no picture that can be read")
    return np.asarray(fused[:, :, ::-1], np.uint8)


def still_baselines() -> Mapping[str, StillFuse]:
    """Give the baselines that work here, by name."""
    baselines: dict[str, StillFuse] = {"opencv-mertens": opencv_mertens}
    if shutil.which("enfuse"):
        baselines["enfuse"] = enfuse
    return baselines | {"mean": plain_mean, "darkest": darkest, "brightest": brightest}
