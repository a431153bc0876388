"""ACEScct: scene light as code values for grading, in the primaries of ACES AP1.

Sources: Academy S-2014-004 (AP1 and its white), S-2016-001 (ACEScct), and Bradford's adaptation between whites, as in
the transforms of the Academy, so that grey stays grey.
"""

from __future__ import annotations

import numpy as np

from streamfuse.core.frame import Map
from streamfuse.imaging.hdr_transfer import D65, Matrix, Xy, to_xyz, tristimulus, xyz_of

AP1: tuple[Xy, Xy, Xy] = ((0.713, 0.293), (0.165, 0.830), (0.128, 0.044))
AP1_WHITE: Xy = (0.32168, 0.33767)
_BREAK = 0.0078125  # of light
_SLOPE, _OFFSET = 10.5402377416545, 0.0729055341958355  # below it
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def acescct_encode(light: Map) -> Map:
    """Signal, float32, of linear light; it is 1 at 222.9, and 0 a little below no light."""
    logarithm = (np.log2(np.maximum(light, np.float32(_BREAK))) + np.float32(9.72)) / np.float32(17.52)
    return np.where(light > _BREAK, logarithm, np.float32(_SLOPE) * light + np.float32(_OFFSET))


def to_ap1(primaries: int) -> Matrix:
    """Matrix from linear R, G, B of these primaries, whose white is D65, to those of AP1; white stays white."""
    source, target = _BRADFORD @ tristimulus(D65), _BRADFORD @ tristimulus(AP1_WHITE)
    adapted = np.linalg.solve(_BRADFORD, np.diag(target / source) @ _BRADFORD)
    return np.asarray(np.linalg.solve(xyz_of(AP1, AP1_WHITE), adapted @ to_xyz(primaries)), np.float64)
