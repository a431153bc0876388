"""Pictures that are empty in places (alpha): there they go on as their surroundings do, so that nothing changes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Pixels

Alpha = npt.NDArray[np.unsignedinteger]  # (H, W), 0 = empty, of the dtype of its picture

_SMALLEST = 1  # pixel of the coarsest level


def filled(picture: Pixels, alpha: Alpha) -> Pixels:
    """Give a picture whose empty pixels hold a smooth continuation of the others; all others are as they were.

    Empty pixels mostly hold black, and black in every exposure pulls down what is fused beside it. Push-pull
    interpolation (Gortler et al., The Lumigraph, SIGGRAPH 1996): means of what is there at ever coarser levels, of
    which each pixel takes the finest that has something.

    Args:
        picture: with values that are not multiplied by alpha.
        alpha: of the same size.
    """
    empty = alpha == 0
    if not empty.any() or empty.all():
        return picture
    weight = (alpha.astype(np.float32)) / np.float32(np.iinfo(alpha.dtype).max)
    flat = picture.reshape(*picture.shape[:2], -1).astype(np.float32)
    continued = _continued(flat, weight).reshape(picture.shape)
    top = np.iinfo(picture.dtype).max
    out = picture.copy()
    out[empty] = np.rint(np.clip(continued[empty], 0, top)).astype(picture.dtype)
    return out


def _continued(colour: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(H, W, C): `colour` where `weight` is 1, and what coarser levels say as far as it is less."""
    height, width = weight.shape
    if max(height, width) <= _SMALLEST:
        return colour
    size = max(1, (width + 1) // 2), max(1, (height + 1) // 2)
    share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(colour * weight[..., None], size, interpolation=cv2.INTER_AREA)
    total = total.reshape(*share.shape, -1)
    mean = np.where(share[..., None] > 0, total / np.maximum(share, 1e-6)[..., None], 0).astype(np.float32)
    # A mean of few pixels is as good as one of many: only what has nothing at all asks further.
    coarse = _continued(mean, np.minimum(share * 4, 1).astype(np.float32))
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(colour.shape)
    keep = weight[..., None]
    return np.asarray(keep * colour + (1 - keep) * fine, np.float32)


def common(alphas: Sequence[Alpha | None]) -> Alpha | None:
    """Alpha of what is fused of pictures with these: empty where one of them is; None where all are whole."""
    there = [alpha for alpha in alphas if alpha is not None]
    return np.minimum.reduce(there) if there else None
