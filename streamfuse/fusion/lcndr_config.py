"""What describes an LCNDR network, apart from its weights."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = 5  # Laplacian bands of the network's own pyramid; its base is 1/32
FEATURES = 9  # per exposure, see `features`
REVISED = 3  # the finest bands, which edge revision may change
VIEWS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-1, -2))  # axes that are mirrored
LOGIT_SCALE = 4.0  # lets weights go from even to one-sided within the network's natural output range


@dataclass(frozen=True, slots=True)
class LcndrConfig:
    """Size of the network, and a switch for each module (for ablation).

    Args:
        widths: channels at 1/4, 1/8, 1/16 and 1/32.
        depth: collaborative blocks per scale.
        stem: channels learned from the full-resolution picture, 0 for none.
        heads: attention heads.
        long_side: a picture is halved until its long side is at most this, down to the levels that the network has maps
            for; see `octave_maps` for how it sees them.
        collaborate, attend, per_level, revise: switch off cross-exposure merging, self-attention, separate weights
            per pyramid level, and edge revision.
        mirrored: look at the picture and its three mirror images, and take the mean of what is seen (after "geometric
            self-ensemble", Lim et al., CVPR workshops 2017): four times the network's time, no training of its own.
    """

    widths: tuple[int, int, int, int] = (16, 24, 32, 32)
    depth: int = 1
    stem: int = 0
    heads: int = 2
    long_side: int = 640
    collaborate: bool = True
    attend: bool = True
    per_level: bool = True
    revise: bool = True
    mirrored: bool = False
