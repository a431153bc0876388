"""Pictures as arrays from Python: what fusion takes, and for anything else the sentence that says how to convert it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from streamfuse.core.arguments import described
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Pixels, Plane
from streamfuse.errors import UsageError

_WANTED = "(H, W, 3) R'G'B' or (H, W) luma, uint8 or uint16"
_CHANNELS = {4: ": leave out alpha by picture[..., :3]", 1: ": give picture[..., 0]"}
_INTEGERS = ": give picture.astype(np.uint8) for values in 0..255, or np.uint16 for 0..65535"
_KINDS = {
    "f": ": for values in 0..1 give np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8), or 65535 and np.uint16",
    "b": ": give picture.astype(np.uint8) * 255",
    "i": _INTEGERS,
    "u": _INTEGERS,
}


def checked_pictures(pictures: object) -> list[Pixels]:
    """Two or more pictures of one instant as arrays of one shape and dtype.

    Raises:
        UsageError: something else; the sentence says what to do.
    """
    if isinstance(pictures, np.ndarray) and pictures.ndim == 3 and pictures.shape[2] == 3:
        raise UsageError("Fusion needs a list of pictures, and got one: give [under, over].")
    if not isinstance(pictures, Iterable) or isinstance(pictures, (str, bytes, dict, Image.Image)):
        raise UsageError(
            f"Fusion needs a list of pictures, and got {described(pictures)}: give [under, over]."
        )
    found = [_array(picture) for picture in pictures]
    if len(found) < 2:
        raise UsageError(f"Fusion needs at least two pictures, got {len(found)}.")
    for picture in found:
        _check(picture)
    if len({(picture.shape, picture.dtype) for picture in found}) > 1:
        kinds = ", ".join(f"{picture.shape} {picture.dtype}" for picture in found)
        raise UsageError(f"All pictures must have one shape and dtype, got {kinds}.")
    return found


def planes_of(picture: object, *, full_range: bool = False) -> tuple[tuple[Plane, ...], int, ColorInfo]:
    """Planes of one picture, their bit depth and their colour: Y'CbCr 4:4:4 of BT.709, or luma alone of full range.

    Args:
        picture: (H, W, 3) R'G'B' or (H, W) luma, full range, uint8 or uint16.
        full_range: of the planes, where there is colour: keeps all steps of 8 bits, which players expect the least.

    Raises:
        UsageError: something else; the sentence says what to do.
    """
    from streamfuse.core.color import rgb_to_planes

    array = _array(picture)
    _check(array)
    bits = 8 if array.dtype == np.uint8 else 16
    if array.ndim == 2:
        return (np.ascontiguousarray(array),), bits, ColorInfo(1, 1, 1, True)
    color = ColorInfo(1, 1, 1, full_range)
    return (
        rgb_to_planes(np.ascontiguousarray(array), bits=bits, subsampling=(0, 0), color=color),
        bits,
        color,
    )


def _array(picture: object) -> Pixels:
    if picture is None:
        raise UsageError(
            "A picture is None, which is what cv2.imread gives for a file that it cannot read: check its name."
        )
    if isinstance(picture, (str, Path, bytes)):
        raise UsageError(
            f"Pictures are arrays, and {described(picture)} was given: read it by np.asarray(PIL.Image.open(NAME)), or "
            "fuse files by streamfuse.photo.still_fusion.fuse_stills([NAME, ...], OUTPUT)."
        )
    if isinstance(picture, Image.Image) and picture.mode not in ("RGB", "L", "I;16"):
        raise UsageError(f"A picture of PIL has the mode {picture.mode}: give picture.convert('RGB').")
    try:
        return np.asarray(picture)
    except (TypeError, ValueError):
        raise UsageError(
            f"{described(picture)} cannot be taken as an array {_WANTED}: convert it by NumPy "
            "(a tensor on a GPU: tensor.cpu().numpy())."
        ) from None


def _check(picture: Pixels) -> None:
    """Refuse what is no picture.

    Raises:
        UsageError: as it says.
    """
    grey_or_rgb = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if grey_or_rgb and picture.size and picture.dtype in (np.uint8, np.uint16):
        return
    advice = _advice(picture)
    raise UsageError(f"Pictures must be {_WANTED}, got {picture.shape} {picture.dtype}{advice}.")


def _advice(picture: Pixels) -> str:
    """Tell how to convert an array that is near enough to a picture; nothing for one that is not."""
    channels = picture.shape[2] if picture.ndim == 3 else 3 if picture.ndim == 2 else 0
    if not picture.size:
        return ", which is empty"
    if channels in _CHANNELS:
        return _CHANNELS[channels]
    if picture.ndim == 3 and picture.shape[0] in (1, 3, 4) and channels != 3:
        return ": channels come last, give picture.transpose(1, 2, 0)"
    return _KINDS.get(picture.dtype.kind, "") if channels == 3 else ""
