"""Bytes and operations that one fused frame needs at least, counted: the floor that a measured time is held against.

Each plane is counted once for each kernel that reads or writes it, as if caches held all that one kernel reads twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from streamfuse.align.flow import SETTINGS, working_size
from streamfuse.core.values import Preset
from streamfuse.fusion.fuser import LcndrFuser
from streamfuse.fusion.models import load_network
from streamfuse.fusion.octave_maps import octave_maps

_FLOAT = 4  # bytes
# Per pixel and level of the motion search, in floats: pyramids, patches, field, and four linear systems of six values
# each with three relaxations of a field of two; two neighbours across exposures, one pair along.
_MOTION_FLOATS = 3 * (4 + 6 + 4 * (10 + 3 * 10))
_WORKING_FLOATS = 40  # per pixel of the working grid: ghost mask, shares, weights


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one fused frame from two exposures.

    Args:
        upload, download: bytes over the bus.
        memory: bytes read and written on the device.
        network: floating-point operations of the network.
    """

    upload: int
    download: int
    memory: int
    network: int


def counted(height: int, width: int, code_bytes: int, preset: Preset, fuser: LcndrFuser) -> Cost:
    """Give the cost of a 4:2:0 frame.

    Args:
        height, width: of luma.
        code_bytes: 1 at 8 bit, 2 above.
        preset: of the alignment.
        fuser: the network.
    """
    pixels, exposures = height * width, 2
    frame = pixels * 3 // 2 * code_bytes
    columns, rows = working_size(width, height, preset)
    searched = rows * columns * 4 // 3 >> (2 * SETTINGS[preset].finest_scale)
    align = (
        2 * frame + 5 * frame + 2 * frame
    )  # matched to the other exposure; three planes in, one out; the copy
    align += (_MOTION_FLOATS * searched + _WORKING_FLOATS * rows * columns) * _FLOAT
    coarser = pixels // 3 * _FLOAT  # of all levels below the finest
    blend = exposures * (pixels * code_bytes + 2 * coarser)  # the pyramid, written and read
    blend += exposures * (pixels * code_bytes + 2 * coarser) + 2 * (pixels * _FLOAT + coarser)  # the bands
    finish = pixels * (_FLOAT + code_bytes) + exposures * frame + pixels * _FLOAT + pixels // 2 * code_bytes
    return Cost(frame, frame, align + blend + finish, network_operations(height, width, fuser))


def network_operations(height: int, width: int, fuser: LcndrFuser) -> int:
    """Multiplications and additions of the network for two exposures of a size, each counted as one."""
    size = octave_maps((height, width), fuser.octaves((height, width)), fuser.seen_side).seen
    network = load_network(fuser.name)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.maps(torch.zeros(1, 2, *size))
    return int(counter.get_total_flops())
