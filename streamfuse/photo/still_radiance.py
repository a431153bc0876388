"""Photographs of one scene merged into radiance: OpenEXR and Radiance .hdr files of linear light."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import ExifTags, ImageCms

from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Map, Pixels, Plane
from streamfuse.core.output_file import check_output_file
from streamfuse.encode import avif, exr
from streamfuse.errors import UsageError
from streamfuse.fusion.radiance import HdrTarget, in_units, merged, rendering
from streamfuse.fusion.radiance_scale import measured_step, picked, sampled, sampled_colours, usual_white_ev
from streamfuse.imaging import photometric
from streamfuse.imaging.hdr_transfer import (
    BT709,
    BT2020,
    P3_D65,
    REFERENCE_WHITE,
    between_primaries,
    pq_encode,
    rolled_off,
)
from streamfuse.imaging.photometric import SRGB, Transfer
from streamfuse.photo.reading import Photo, expand_photos, read_photo

_BITS = 16
_STRIP = 256  # rows
# The most that is believed of photographs next to each other which no transfer function explains: a camera's own tone
# curve darkens what is dark, and what both show at a wide gap seems farther apart than it is.
MOST_EV = 4.0
_DARKEST, _STEPS = 1e-4, 4096  # cd/m2 that tables begin at, and their length
PEAK = 1000.0  # cd/m2 that nothing exceeds in PQ
PQ = ColorInfo(matrix=9, primaries=BT2020, transfer=16, full_range=True)


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Radiance of a scene, and how it was found.

    Args:
        radiance: (H, W, 3) float32 linear R, G, B of BT.709's primaries, 1 = diffuse white.
        gaps_ev: exposure of each photograph, darkest first, relative to the darkest.
        told: they are those of the Exif.
        taken_for: numbers of the photographs, from 1 on, that were measured to be more than `MOST_EV` brighter than the
            one before, and are taken to be brighter by that.
        white_ev: how far diffuse white lies below what the darkest exposure clips at.
        transfer: what made linear light of the photographs.
    """

    radiance: Map
    gaps_ev: tuple[float, ...]
    told: bool
    white_ev: float
    transfer: Transfer
    taken_for: tuple[int, ...] = ()


def read_darkest_first(inputs: Sequence[str | Path], output: Path, overwrite: bool) -> list[Photo]:
    """Give the photographs to merge into a file of linear light, which can be written.

    Raises:
        StreamfuseError: as the message says.
    """
    exr.require(output)
    if output.suffix.lower() == avif.SUFFIX:
        avif.require_avif(output)
    check_output_file(output, overwrite=overwrite)
    paths = expand_photos(inputs)
    if len(paths) < 2:
        raise UsageError(
            f"{', '.join(map(str, paths))} is one file, and merging needs at least two photographs: name the others, "
            "too."
        )
    return sorted((read_photo(path) for path in paths), key=lambda photo: float(photo.pixels.mean()))


def merge_pictures(
    pictures: Sequence[Pixels],
    exif_ev: Sequence[float] | None,
    white_ev: float | None,
    primaries: int = BT709,
) -> Merged:
    """Merge N >= 2 aligned exposures of one scene; they are all in memory at once.

    Args:
        pictures: (H, W, 3) R'G'B' or (H, W) grey, uint8 or uint16, darkest first.
        exif_ev: exposure of each where it is known; else it is measured.
        white_ev: as in `Merged`; None: as `usual_white_ev` has it.
        primaries: of R', G' and B', an H.273 code point.
    """
    color = ColorInfo(matrix=6, primaries=primaries, transfer=1, full_range=True)
    planes = [_planes(picture, color) for picture in pictures]
    seen = picked(planes)
    lumas = sampled(seen, _BITS, color)
    curves = [photometric.estimate_curve([dark], [bright]) for dark, bright in pairwise(lumas)]
    votes = Counter(curve.transfer for curve in curves if curve.transfer is not None)
    transfer = votes.most_common(1)[0][0] if votes else SRGB  # as photographs are
    colours = sampled_colours(seen, _BITS, color)
    taken_for: list[int] = []
    if exif_ev is not None:
        gaps = tuple(ev - exif_ev[0] for ev in exif_ev)
    else:
        measured = [measured_step(dark, bright, transfer) for dark, bright in pairwise(colours)]
        steps = [curve.gap_ev if ev is None else ev for ev, curve in zip(measured, curves, strict=True)]
        for number, (step, curve) in enumerate(zip(steps, curves, strict=True)):
            if curve.rough and step > MOST_EV:
                steps[number] = MOST_EV
                taken_for.append(number + 2)
        gaps = tuple(float(gap) for gap in np.cumsum([0.0, *steps]))
    found_white = usual_white_ev(colours, gaps, transfer) if white_ev is None else white_ev
    coded = rendering(HdrTarget(), primaries, 2.0**-found_white)
    _, radiance = merged(planes, gaps, transfer, _BITS, (0, 0), color, coded, keep=True)
    assert radiance is not None
    radiance = in_units(radiance, between_primaries(primaries, BT709) * 2.0**found_white)
    return Merged(radiance, gaps, exif_ev is not None, found_white, transfer, tuple(taken_for))


def pq_planes(found: Merged) -> tuple[Plane, Plane, Plane]:
    """Y, Cb, Cr of 10 bit and 4:2:0 in the colours of `PQ`: diffuse white at 203 cd/m2, nothing above `PEAK`."""
    steps = np.geomspace(_DARKEST, PEAK, _STEPS)
    signal = pq_encode(steps)
    rgb = np.empty(found.radiance.shape, np.uint16)
    for top, nits in rolled_off_light(found, BT2020, PEAK):
        rgb[top : top + len(nits)] = np.rint(65535 * np.interp(np.log(nits), np.log(steps), signal))
    return rgb_to_planes(rgb, bits=10, subsampling=(1, 1), color=PQ)


def rolled_off_light(found: Merged, primaries: int, peak: float) -> Iterator[tuple[int, Map]]:
    """First row and cd/m2 (rows, W, 3) of parts of a picture: diffuse white at 203, nothing above the peak.

    What would be brighter is rolled off by the largest of R, G and B, as in video.
    """
    matrix = between_primaries(BT709, primaries) * REFERENCE_WHITE
    brightest = REFERENCE_WHITE * 2.0**found.white_ev
    steps = np.geomspace(_DARKEST, max(brightest, peak), _STEPS)
    gain = rolled_off(steps, brightest, peak) / steps
    for top in range(0, len(found.radiance), _STRIP):  # float64 of a large photograph would take gigabytes
        nits = np.maximum(in_units(found.radiance[top : top + _STRIP], matrix), np.float32(_DARKEST))
        largest = np.log(nits.max(axis=2, keepdims=True))
        yield top, np.asarray(nits * np.interp(largest, np.log(steps), gain), np.float32)


def exif_exposures(photos: Sequence[Photo]) -> list[float] | None:
    """log2 of what each photograph took of the light, by its Exif, if all tell and rise from one to the next."""
    found = [_exif_ev(photo.tags) for photo in photos]
    evs = [ev for ev in found if ev is not None]
    rising = all(low < high for low, high in pairwise(evs))
    return evs if len(evs) == len(photos) and rising else None


def primaries_of(icc: bytes | None) -> int | None:
    """H.273 code point of a colour profile's primaries; BT.709's where there is none, None of one that is not known."""
    if icc is None:
        return BT709
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    except (OSError, ImageCms.PyCMSError):
        return None
    return BT709 if "sRGB" in name else P3_D65 if "Display P3" in name else None


def refuse_fuser(fuser: str | None, bits: int | None) -> None:
    """Refuse what linear light has no use for.

    Raises:
        UsageError: it is given.
    """
    for name, given in (("--fuser", fuser), ("--bits", bits)):
        if given is not None:
            raise UsageError(
                f"{name} is not for the light of a scene, which is merged, and has a depth of its own: leave it out."
            )


def _planes(picture: Pixels, color: ColorInfo) -> tuple[Pixels, ...]:
    wide = picture.astype(np.uint16) * np.uint16(257) if picture.dtype == np.uint8 else picture
    if wide.ndim == 2:
        return (np.ascontiguousarray(wide),)
    return rgb_to_planes(np.ascontiguousarray(wide), bits=_BITS, subsampling=(0, 0), color=color)


def _exif_ev(tags: Mapping[int, object]) -> float | None:
    details = tags.get(ExifTags.IFD.Exif)
    if not isinstance(details, Mapping):
        return None
    try:
        seconds = float(details[ExifTags.Base.ExposureTime])
        aperture = float(details.get(ExifTags.Base.FNumber, 1.0))
        speed = details.get(ExifTags.Base.ISOSpeedRatings, 100)
        sensitivity = float(speed[0] if isinstance(speed, tuple) else speed)
        light = seconds * sensitivity / aperture**2
    except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    return float(np.log2(light)) if light > 0 and np.isfinite(light) else None
