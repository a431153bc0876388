"""Sheets of pictures, each under its name, to compare at a glance."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]  # (H, W, 3) R'G'B'
_BANNER = 22  # lines of white above each picture


def sheet(pictures: Mapping[str, Rgb], columns: int = 2) -> Rgb:
    """Pictures of one size in rows of so many; places at the end that stay free are white."""
    cells = [_named(name, picture) for name, picture in pictures.items()]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[first : first + columns]) for first in range(0, len(cells), columns)])


def _named(name: str, picture: Rgb) -> Rgb:
    banner = np.full((_BANNER, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(banner, name, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([banner, picture])
