"""The worst tenth of a set of photographs, small and beside each other: where to look first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2

from streamfuse.core.frame import Rgb
from streamfuse.lab.evaluate.report import ReportWriter
from streamfuse.lab.evaluate.still_scores import STILL_MEASURES, Score

_WIDTH = 320  # of a print
_SHARE = 10  # every tenth scene
_BY = ("mef_ssim", "clipped", "highlights_contrast", "shadows_level")


class ContactSheet:
    """Keeps a small print of everything, since which scenes are the worst is known in the end only.

    Args:
        method: whose worst scenes are shown.
    """

    def __init__(self, method: str) -> None:
        self._method = method
        self._prints: dict[str, dict[str, Rgb]] = {}

    def add(self, scene: str, pictures: Mapping[str, Rgb]) -> None:
        """Pictures of one scene, by what they are."""
        self._prints[scene] = {name: _small(picture) for name, picture in pictures.items()}

    def write(self, page: ReportWriter, scores: Sequence[Score]) -> None:
        """A row for each of the worst scenes, by each measure that is known."""
        for measure in _BY:
            told = STILL_MEASURES[measure]
            known = [
                (value, score.scene)
                for score in scores
                if score.method == self._method and (value := getattr(score, measure)) is not None
            ]
            known.sort(reverse=not told.higher_is_better)
            worst = known[: -(-len(known) // _SHARE)]
            if worst:
                page.heading(f"{self._method}: the worst tenth by {told.heading} ({told.group})")
            for value, scene in worst:
                page.strip(f"{scene}, {value:.{told.decimals}f}", self._prints[scene])


def _small(picture: Rgb) -> Rgb:
    height, width = picture.shape[:2]
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    reduced: Rgb = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return reduced
