"""The full-size pyramid blend on the CPU, in OpenCV; the same arithmetic as `torch_blend`, at a fraction of its time.

The maps come from a picture that was halved `extra` times. The finer levels that the network never saw use its
finest map, sharpened by their own local contrast. A picture that was enlarged for the network (`extra` below 0) has
only the coarser of the network's levels, and uses their maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np

from streamfuse.core.frame import FusionMaps, Map
from streamfuse.fusion.pyramid_settings import (
    BLACK,
    CLIPPED,
    DIM,
    ENERGY_FLOOR,
    ENERGY_WINDOW,
    HELD,
    LIFT,
    LIFTED,
    LIGHT,
    LOWER,
    LOWERED,
    ROLL_OFF,
    ROLLED,
    SLACK,
)

_BORDER = cv2.BORDER_REPLICATE
_ONE = (1.0, 0, 0, 0)  # OpenCV's way to write a scalar
_SMALLEST_PRIOR = (1e-9, 0, 0, 0)


def blend_luma(lumas: Sequence[Map], maps: FusionMaps, exponents: Sequence[float], extra: int) -> Map:
    """Fuse N luma pictures.

    Args:
        lumas: N arrays (H, W) float32 in [0, 1], darkest first.
        maps: one prior per network band and one for the base; gains for the finest bands.
        exponents: exponent of the local energy, per network band.
        extra: how many times the picture was halved before the network saw it; below 0: how often it was enlarged,
            at most once per band.

    Returns:
        (H, W) float32, nominally in [0, 1] (not clipped).
    """
    height, width = lumas[0].shape
    levels = extra + len(exponents)
    multiple = 1 << levels
    bottom, right = -height % multiple, -width % multiple
    current = [cv2.copyMakeBorder(y, 0, bottom, 0, right, _BORDER) if bottom or right else y for y in lumas]
    fused: list[Map] = []
    pictures = [current]
    for level in range(levels):
        coarser = [
            cv2.resize(g, (g.shape[1] // 2, g.shape[0] // 2), interpolation=cv2.INTER_AREA) for g in current
        ]
        network_level = max(0, level - extra)
        band = fuse_band(current, coarser, maps.priors[network_level], exponents[network_level])
        if network_level < len(maps.gains):
            cv2.multiply(band, enlarge(maps.gains[network_level], band), dst=band)
        fused.append(band)
        pictures.append(current := coarser)
    picture = _weighted_sum(current, [enlarge(p, current[0]) for p in maps.priors[-1]])
    picture = within(picture, current, levels - extra)
    for level in reversed(range(levels)):
        picture = cv2.add(enlarge(picture, fused[level]), fused[level], dst=fused[level])
        picture = within(picture, pictures[level], level - extra)
    return picture[:height, :width]


def within(picture: Map, exposures: Sequence[Map], level: int) -> Map:
    """Do as `pyramid.within`, of one picture (H, W); finer levels than it holds come back as they are."""
    if level < HELD:
        return picture
    low = reduce(cv2.min, exposures)
    room = exposures
    if level >= ROLLED:
        room = [e - ROLL_OFF * _ramp(e, CLIPPED) * (e - low) for e in exposures]
    inside = cv2.max(cv2.min(picture, reduce(cv2.max, room)), low)
    beyond = picture - inside
    held = inside + beyond * np.float32(SLACK) / (np.abs(beyond) + np.float32(SLACK))
    if level in (LIFTED, LOWERED):
        ordered = (
            np.sort(np.stack(exposures), axis=0) if len(exposures) > 2 else (low, reduce(cv2.max, exposures))
        )
        if level == LIFTED:
            share = np.float32(LIFT) * (1 - _ramp(ordered[-2], BLACK)) * (1 - _ramp(ordered[-1], DIM))
            held += share * np.maximum(ordered[-1] - held, 0)
        else:
            share = np.float32(LOWER) * _ramp(ordered[0], LIGHT) * _ramp(ordered[1], CLIPPED)
            held -= share * np.maximum(held - ordered[0], 0)
    return np.asarray(held, np.float32)


def _ramp(luma: Map, ends: tuple[float, float]) -> Map:
    """Do as `pyramid.ramp`."""
    return np.clip((luma - np.float32(ends[0])) * np.float32(1 / (ends[1] - ends[0])), 0, 1)


def fuse_band(finer: Sequence[Map], coarser: Sequence[Map], priors: Map, exponent: float) -> Map:
    """Give one Laplacian band of every exposure, weighted by prior x energy ** exponent, normalised, and summed.

    Weights are taken relative to the first exposure's: that saves one power, the most expensive step here.
    """
    bands = [cv2.subtract(fine, enlarge(coarse, fine)) for fine, coarse in zip(finer, coarser, strict=True)]
    first_energy = _energy(bands[0])
    first_prior = cv2.max(enlarge(priors[0], bands[0]), _SMALLEST_PRIOR)
    fused = bands[0]
    total: Map | None = None
    for band, prior in zip(bands[1:], priors[1:], strict=True):
        weight = cv2.divide(_energy(band), first_energy)
        cv2.pow(weight, exponent, dst=weight)
        cv2.multiply(weight, enlarge(prior, weight), dst=weight)
        cv2.divide(weight, first_prior, dst=weight)
        cv2.multiply(band, weight, dst=band)
        cv2.add(fused, band, dst=fused)
        total = weight if total is None else cv2.add(total, weight, dst=total)
    return np.asarray(cv2.divide(fused, cv2.add(total, _ONE), dst=fused), np.float32)


def _energy(band: Map) -> Map:
    """Mean square over the window, plus the floor; as `pyramid.local_energy`."""
    energy = cv2.blur(cv2.multiply(band, band), (ENERGY_WINDOW, ENERGY_WINDOW), borderType=_BORDER)
    return np.asarray(cv2.add(energy, (ENERGY_FLOOR, 0, 0, 0), dst=energy), np.float32)


def _weighted_sum(pictures: Sequence[Map], weights: Sequence[Map]) -> Map:
    return np.asarray(sum(p * w for p, w in zip(pictures, weights, strict=True)), np.float32)


def enlarge(small: Map, like: Map) -> Map:
    """Bilinear, to the size of `like`."""
    if small.shape == like.shape:
        return small
    return np.asarray(
        cv2.resize(small, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32
    )
