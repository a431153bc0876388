"""A second look at motion towards two darker frames, where the first does not explain what they show.

What moves fast before clipped light is lost by the first look: motion from one dark frame to the next is twice as far,
and across the exposures only an outline is left to be matched. Each answer is judged by its *misfit*: how differently
the two frames then show each place, which is 0 where motion was even in time, and how far each lies off the reference.
Where it is large, what was matched across the exposures is followed if it explains more, and what is left of the motion
is searched for once more, in full detail, in the frames as they are seen along what is known: from the reference to
each, then from one to the other, half of which is that of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from streamfuse.align.flow import coordinates, halfway, halved, mixed, rescaled, warp
from streamfuse.core.frame import Map
from streamfuse.imaging.picture_rows import ramp

# Weight of what differs from the reference, against what differs between the two. With more of it fast things come out
# better still, but whatever is light is spread in clipped places, and bright frames become too bright.
AGAINST_REFERENCE = 1.0
WINDOW = 9  # pixels of the grid over which a misfit is pooled
BETTER = 0.02  # by which a misfit is smaller where another answer is followed alone
POOR = 0.2  # misfit from which on a place is looked at again
MARGIN = 32  # working pixels around such places

Box = tuple[int, int, int, int]
"""Rows and columns, from and up to."""


class SecondLook:
    """The pictures of one instant, in which other answers are compared with those that there are.

    Args:
        reference: luma in the brighter exposure's scale, (h, w), at working size.
        raised: luma of the two neighbours, likewise.
        own: the same in their own scale.
        grid: working pixels per pixel of the flow fields.
    """

    def __init__(self, reference: Map, raised: Sequence[Map], own: Sequence[Map], grid: int) -> None:
        self._full = reference, raised, own
        self._grid = grid
        small = (lambda picture: picture) if grid == 1 else halved
        self._reference, self._raised, self._own = (
            small(reference),
            [small(one) for one in raised],
            [small(one) for one in own],
        )

    def better(self, flows: Sequence[Map], others: Sequence[Map], box: Box | None = None) -> list[Map]:
        """Follow the other flow fields wherever their misfit is smaller; both of the box, or of all."""
        gain = self.misfit(flows, box) - self.misfit(others, box)
        share = cv2.blur(ramp(gain, 0.0, BETTER), (3, 3))
        return [mixed(other, flow, share) for flow, other in zip(flows, others, strict=True)]

    def misfit(self, flows: Sequence[Map], box: Box | None = None) -> Map:
        """Tell how badly the flow fields of the reference towards both explain what is seen, (h, w) luma."""
        y, bottom, x, right = box or (0, *self._reference.shape[:1], 0, self._reference.shape[1])
        one, other = (_seen(luma, flow, (y, x)) for luma, flow in zip(self._own, flows, strict=True))
        apart = cv2.absdiff(one, other)
        for luma, flow in zip(self._raised, flows, strict=True):
            off = cv2.absdiff(self._reference[y:bottom, x:right], _seen(luma, flow, (y, x)))
            apart += np.float32(AGAINST_REFERENCE) * off
        return np.asarray(cv2.blur(apart, (WINDOW, WINDOW)), np.float32)

    def again(
        self, flows: Sequence[Map], across: Sequence[Map], estimate: Callable[[Map, Map], Map]
    ) -> Sequence[Map]:
        """Search once more around all places whose misfit is large; as it is where there is none.

        Args:
            flows: of the reference towards both.
            across: the same as it was matched across the exposures.
            estimate: flow between two pictures at working size, on their own grid.
        """
        box = poor_box(self.misfit(flows), MARGIN // self._grid)
        if box is None:
            return flows
        y, bottom, x, right = box
        top, left = y * self._grid, x * self._grid
        reference, raised, own = self._full
        here = np.ascontiguousarray(reference[top : bottom * self._grid, left : right * self._grid])
        size = here.shape[1], here.shape[0]

        def enlarged(fields: Sequence[Map]) -> list[Map]:
            return [rescaled(field, size) for field in fields]

        def with_rest(fields: Sequence[Map], rest: Sequence[Map]) -> list[Map]:
            whole = [
                left_over + warp(field, left_over) for field, left_over in zip(fields, rest, strict=True)
            ]
            return [rescaled(field, (right - x, bottom - y)) for field in whole]

        found, others = ([np.ascontiguousarray(f[y:bottom, x:right]) for f in fs] for fs in (flows, across))
        found = self.better(found, others, box)
        fields = enlarged(found)
        seen = [_seen(luma, field, (top, left)) for luma, field in zip(raised, fields, strict=True)]
        found = self.better(found, with_rest(fields, [estimate(here, picture) for picture in seen]), box)
        fields = enlarged(found)
        # The root brings out the shadows of dark frames.
        one, other = (
            cv2.sqrt(_seen(luma, field, (top, left))) for luma, field in zip(own, fields, strict=True)
        )
        found = self.better(found, with_rest(fields, halfway(estimate(one, other), 0.5)), box)
        out = [flow.copy() for flow in flows]
        for flow, part in zip(out, found, strict=True):
            flow[y:bottom, x:right] = part
        return out


def poor_box(misfit: Map, margin: int) -> Box | None:
    """Give the smallest box, in pixels, with all places of a large misfit and a margin; None where there are none."""
    poor = cv2.erode((misfit > POOR).astype(np.uint8), np.ones((3, 3), np.uint8))
    x, y, width, height = cv2.boundingRect(poor)
    if not width:
        return None
    bottom, right = min(y + height + margin, poor.shape[0]), min(x + width + margin, poor.shape[1])
    return max(y - margin, 0), bottom, max(x - margin, 0), right


def _seen(picture: Map, flow: Map, start: tuple[int, int]) -> Map:
    """Give a whole picture, seen along a flow field that begins at row and column `start` of it."""
    y, x = start
    places = coordinates(*picture.shape)[y : y + flow.shape[0], x : x + flow.shape[1]]
    return np.asarray(
        cv2.remap(picture, flow + places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
