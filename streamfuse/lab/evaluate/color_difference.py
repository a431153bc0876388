"""CIEDE2000, colour difference as eyes see it (Sharma, Wu and Dalal 2005), computed by scikit-image."""

from __future__ import annotations

from streamfuse.core.frame import Rgb
from streamfuse.lab.evaluate.metrics import left_out


def color_differences(picture: Rgb, reference: Rgb) -> tuple[float, float] | tuple[None, None]:
    """Mean CIEDE2000 of two sRGB pictures under D65; about 1 is just noticeable.

    Args:
        picture, reference: (H, W, 3) uint8.

    Returns:
        The difference, and that which is left where the picture has the reference's lightness: of hue and chroma.
        None and None without scikit-image, see `metrics.left_out`.
    """
    if left_out():
        return None, None
    from skimage.color import deltaE_ciede2000, rgb2lab

    lab, wanted = rgb2lab(picture), rgb2lab(reference)
    whole = float(deltaE_ciede2000(lab, wanted).mean())
    lab[..., 0] = wanted[..., 0]
    return whole, float(deltaE_ciede2000(lab, wanted).mean())
