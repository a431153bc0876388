"""Photographs brought into one geometry, and the words for what was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamfuse.core.frame import Pixels

Align = Literal["auto", "off", "global", "flow"]


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """Photographs in one geometry, and what was done for it."""

    pictures: list[Pixels]
    mode: str
    moved: int
    pixels: float
    notes: tuple[str, ...]


def brought_together(pictures: list[Pixels], align: Align) -> Aligned:
    """The photographs, brought together as asked for."""
    if align == "off":
        return Aligned(pictures, align, 0, 0.0, ())
    if align != "auto":
        from streamfuse.photo.handheld import align_pictures

        return Aligned(align_pictures(pictures, align), align, 0, 0.0, ())
    from streamfuse.photo.handheld import align_moved

    found = align_moved(pictures)
    pixels = round(found.pixels, 2)
    notes: list[str] = []
    if found.moved:
        how = "a homography each" if found.mode == "global" else "a homography each and by dense motion"
        notes.append(
            f"The camera moved between the photographs: {found.moved} of {len(pictures)} lay up to {pixels:.1f} pixels "
            f"off and {'was' if found.moved == 1 else 'were'} aligned by {how} (--align off leaves them)."
        )
    if found.unknown:
        notes.append(
            f"{found.unknown} of {len(pictures)} photographs show too little in common with the others to measure "
            "whether the camera moved, and stayed as they are."
        )
    return Aligned(found.pictures, found.mode, found.moved, pixels, tuple(notes))
