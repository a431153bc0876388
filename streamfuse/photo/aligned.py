"""Photographs brought into one geometry, and the words for what was found and done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from streamfuse.core.frame import Map, Pixels

Align = Literal["auto", "off", "global", "flow"]

_THUMBNAIL = (48, 32)
_ALIKE = 1.05  # ratio of mean code values up to which all photographs are equally bright: about 0.15 EV
_OTHER_SCENE = 0.3  # rank correlation of thumbnails below which two photographs show different things
_SHOWN = (
    0.1,
    0.9,
    0.3,
)  # code values between which a photograph shows something, and the share of it that has to


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """Photographs in one geometry, and what was found and done, in sentences."""

    pictures: list[Pixels]
    mode: str
    moved: int
    pixels: float
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def brought_together(pictures: list[Pixels], names: Sequence[str], align: Align) -> Aligned:
    """Give the photographs, brought together as asked for.

    Args:
        pictures: N >= 2 of one shape and dtype.
        names: of each, for the sentences.
        align: as in `fuse_stills`.
    """
    warnings: list[str] = []
    means = [float(picture[::8, ::8].mean()) for picture in pictures]
    if max(means) <= _ALIKE * min(means):
        warnings.append(
            f"The {len(pictures)} photographs are equally bright: they are no bracket of exposures, and there is "
            "little to fuse."
        )
    if align == "off":
        return Aligned(pictures, align, 0, 0.0, (), tuple(warnings))
    if align != "auto":
        from streamfuse.photo.handheld import align_pictures

        return Aligned(align_pictures(pictures, align), align, 0, 0.0, (), tuple(warnings))
    from streamfuse.photo.handheld import align_moved

    name_of = {id(picture): name for picture, name in zip(pictures, names, strict=True)}
    found = align_moved(pictures)
    pixels = round(found.pixels, 2)
    notes: list[str] = []
    if found.moved:
        how = "by a homography" if found.mode == "global" else "by a homography and by dense motion"
        notes.append(
            f"The camera moved between the photographs: {found.moved} of {len(pictures)} lay up to {pixels:.1f} pixels "
            f"off and {'was' if found.moved == 1 else 'were'} aligned {how} (--align off leaves them)."
        )
    unknown = [found.pictures[place] for place in found.unknown]
    others = [picture for place, picture in enumerate(found.pictures) if place not in found.unknown]
    strange: list[str] = []
    dim: list[str] = []
    for one in unknown:
        alike = not _shows(one) or any(_likeness(one, other) >= _OTHER_SCENE for other in others)
        (dim if alike else strange).append(name_of[id(one)])
    if strange:
        warnings.append(
            f"Another scene than in the other photographs is in {', '.join(strange)}, and both show in the result: "
            "name the photographs of one bracket."
        )
    if dim:
        notes.append(
            f"Too little shows in {', '.join(dim)} to measure whether the camera moved; if it did, lamps may show "
            "twice: leave such a photograph out then."
        )
    return Aligned(found.pictures, found.mode, found.moved, pixels, tuple(notes), tuple(warnings))


def _shows(picture: Pixels) -> bool:
    """Tell whether a photograph is neither nearly black nor nearly white all over."""
    low, high, share = _SHOWN
    values = picture[::8, ::8] / np.iinfo(picture.dtype).max
    return bool(np.mean((values > low) & (values < high)) >= share)


def _likeness(one: Pixels, other: Pixels) -> float:
    """Rank correlation of two thumbnails, -1..1: of what they show, whatever the exposure."""
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(picture: Pixels) -> Map:
    small = cv2.resize(picture, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = cv2.blur(small.reshape(*small.shape[:2], -1).mean(2), (3, 3))
    return np.argsort(np.argsort(grey, axis=None)).astype(np.float32)
