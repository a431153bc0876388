"""`streamfuse evaluate brackets`: photographs of still scenes merged, against their longest exposure.

Where the longest exposure neither clips nor is dark it knows the light better than any other. The light of the merge,
brought to its scale by one factor (the median), has to be its light: where it has been merged, and, which is harder and
tells how far the response is right, where it has been held out. Beside it OpenCV's merge after Debevec and Malik, of
the same pictures and told the same exposures and response.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamfuse.core.color import to_8_bit
from streamfuse.core.frame import Map, Rgb
from streamfuse.errors import InputError
from streamfuse.imaging import photometric
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.hdr import debevec
from streamfuse.photo.reading import expand_photos, read_photo
from streamfuse.photo.still_radiance import merge_pictures

SEEN = (0.1, 0.9)  # R'G'B' of the longest exposure within which all of its channels have to lie
_DARKEST = 1e-6  # light, for a ratio
_FEWEST = 3  # photographs: two are merged where one is held out
Longest = Literal["merged", "held out"]


@dataclass(frozen=True, slots=True)
class BracketScore:
    """How near a merge comes to the longest exposure.

    Args:
        stack: name of the folder.
        exposures: photographs in it.
        span_ev: from the darkest to the longest, as measured.
        compared: share of the pixels.
        longest: whether it is among what is merged.
        method: "streamfuse" or "Debevec".
        error: median of what light is off, relative to that of the longest exposure.
        psnr: of R'G'B' in [0, 1], dB.
    """

    stack: str
    exposures: int
    span_ev: float
    compared: float
    longest: Longest
    method: str
    error: float
    psnr: float


def evaluate_brackets(folders: Sequence[Path], *, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Score every stack of at least three photographs; the result is what `--json` writes.

    Raises:
        InputError: there is no such stack, or a file cannot be read.
    """
    rows = []
    for folder in folders:
        pictures = _darkest_first(folder)
        if len(pictures) < _FEWEST:
            say(f"{folder.name} is left out: it has {len(pictures)} photographs, and three are needed.")
            continue
        for score in scores_of(folder.name, pictures):
            say(line(score))
            rows.append(asdict(score))
    if not rows:
        raise InputError("No folder has three photographs of one scene: name some that do.")
    return {"environment": describe_environment(), "rows": rows}


def scores_of(name: str, pictures: Sequence[Rgb]) -> Iterator[BracketScore]:
    """Merge with and without the longest exposure, in both ways, and compare.

    Args:
        name: of the stack.
        pictures: (H, W, 3) R'G'B' uint8, darkest first.
    """
    whole = merge_pictures(pictures, None, 0.0)
    gaps, transfer = whole.gaps_ev, whole.transfer
    true = pictures[-1] / 255
    seen = ((true > SEEN[0]) & (true < SEEN[1])).all(axis=2)
    if not seen.any():
        return
    wanted = photometric.decoded(true[seen], transfer)

    def score(longest: Longest, method: str, radiance: Map) -> BracketScore:
        found = np.maximum(radiance[seen].astype(np.float64), _DARKEST)
        found *= float(np.median(wanted / found))
        codes = photometric.encoded(np.minimum(found, 1), transfer)
        error = float(np.median(np.abs(found / wanted - 1)))
        psnr = float(-10 * np.log10(np.mean((codes - true[seen]) ** 2) + 1e-12))
        how = name, len(pictures), gaps[-1], float(seen.mean())
        return BracketScore(*how, longest, method, error, psnr)

    yield score("merged", "streamfuse", whole.radiance)
    yield score("merged", "Debevec", debevec(pictures, gaps, transfer))
    yield score("held out", "streamfuse", merge_pictures(pictures[:-1], gaps[:-1], 0.0).radiance)
    yield score("held out", "Debevec", debevec(pictures[:-1], gaps[:-1], transfer))


def line(score: BracketScore) -> str:
    """Give one line for the terminal."""
    return (
        f"{score.stack:20s} {score.exposures} over {score.span_ev:4.1f} EV, {100 * score.compared:3.0f} % compared; "
        f"longest {score.longest:8s} {score.method:10s}: light off by {100 * score.error:5.2f} %, "
        f"PSNR {score.psnr:5.2f} dB"
    )


def _darkest_first(folder: Path) -> list[Rgb]:
    pictures = [to_8_bit(read_photo(path).pixels) for path in expand_photos([folder])]
    return sorted(pictures, key=lambda picture: float(picture.mean()))
