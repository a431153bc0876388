"""The sensor of the built-in cameras: its noise, and the code values that it makes of linear light."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from streamfuse.synthetic.paint import Image

READ_NOISE = 1.0e-3  # standard deviation in linear light at gain 1; full scale is 1
FULL_WELL = 10_000.0  # electrons at full scale: shot noise of light x has the variance x / FULL_WELL
NOISE_SLACK = 64  # the noise picture is so much larger than the frame, to be cropped at random places
_GAMMA = 2.2


@lru_cache(maxsize=1)
def gamma_table() -> npt.NDArray[np.uint16]:
    """16-bit linear light to 16-bit R'G'B'."""
    return np.round((np.arange(65536) / 65535) ** (1 / _GAMMA) * 65535).astype(np.uint16)


@lru_cache(maxsize=2)
def noise_picture(height: int, width: int, seed: int | tuple[int, ...]) -> Image:
    """Noise of one standard deviation, to be cropped for frames of this size."""
    size = (height + NOISE_SLACK, width + NOISE_SLACK, 3)
    return np.random.default_rng(seed).standard_normal(size, np.float32)
