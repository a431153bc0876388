"""Makes the pictures at the top of README.md: what comes out of a film, and where the method fails.

    python tools/readme_film.py docs/images/sample.webp docs/images/failure.webp

The first moves: left the dark frames of the built-in scene, in the middle its bright ones, each shown until the next of
its kind comes (as one gets them by taking the film apart by hand); right the fused film, at the full frame rate.

The second is the place and the instant at which a fused film of the same scene is furthest from what would be right,
where things move far from frame to frame and the bright frames are white: left the frame that was filmed then, in the
middle what is made of it, right the fusion of both exposures of that very instant, which no camera of this kind takes.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

import streamfuse
from streamfuse.core.color import planes_to_rgb
from streamfuse.synthetic.sample_source import open_sample

FRAMES = 48
RATE = 12
SOURCE = f"sample:?size=320x180&frames={FRAMES}&rate=24"
HARD = "sample:?size=640x360&frames=20&rate=6&gap=4"  # few frames a second: far from frame to frame
CROP = 213, 160  # pixels of it that are shown, enlarged to the size of a panel of the film
WINDOW = 41  # pixels a side over which the error is averaged to find the worst place

Rgb = npt.NDArray[np.uint8]  # (H, W, 3)


def main(film: Path, failure: Path) -> None:
    """Write both."""
    write_film(film)
    write_failure(failure)


def write_failure(output: Path) -> None:
    """Write three crops side by side: filmed, fused, and what would be right."""
    with open_sample(HARD) as source:
        filmed = [frame.rgb() for frame in source]
        instants = [
            [
                planes_to_rgb(planes, source.info.bits, source.info.subsampling, source.info.color)
                for planes in both
            ]
            for both in map(source.exposures_at, range(len(filmed)))
        ]
    fused = [frame.rgb() for frame in streamfuse.fuse_video(HARD, preset="best")]
    right = [streamfuse.fuse_pair(*both) for both in instants]
    errors = [
        cv2.blur(np.abs(a.astype(np.float32) - b).mean(2), (WINDOW, WINDOW))
        for a, b in zip(fused, right, strict=True)
    ]
    worst = max(range(1, len(errors) - 1), key=lambda n: float(errors[n].max()))
    y, x = np.unravel_index(errors[worst].argmax(), errors[worst].shape)
    top = int(np.clip(y - CROP[1] // 2, 0, errors[worst].shape[0] - CROP[1]))
    left = int(np.clip(x - CROP[0] // 2, 0, errors[worst].shape[1] - CROP[0]))
    size = 320, 320 * CROP[1] // CROP[0]
    panels: list[Rgb] = []
    for picture in (filmed[worst], fused[worst], right[worst]):
        crop = picture[top : top + CROP[1], left : left + CROP[0]]
        panels += [
            np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC), np.uint8),
            _line(size[1]),
        ]
    Image.fromarray(np.hstack(panels[:-1])).save(output, quality=80, method=6)
    print(f"frame {worst}, {errors[worst].max():.0f} code values off around {x}, {y}")


def _line(height: int) -> Rgb:
    """What stands between two panels."""
    return np.full((height, 4, 3), 255, np.uint8)


def write_film(output: Path) -> None:
    """Write an animated WebP of three panels, at half the speed of the scene."""
    with streamfuse.open_source(SOURCE) as source:
        filmed = [frame.rgb() for frame in source]
    fused = [frame.rgb() for frame in streamfuse.fuse_video(SOURCE, preset="best")]
    if len(filmed) != len(fused):
        sys.exit(f"{len(filmed)} frames went in and {len(fused)} came out.")
    line = _line(filmed[0].shape[0])
    pages = []
    for now, picture in enumerate(fused):
        dark, bright = now - now % 2, max(now - 1 + now % 2, 1)
        pages.append(Image.fromarray(np.hstack([filmed[dark], line, filmed[bright], line, picture])))
    pages[0].save(
        output, save_all=True, append_images=pages[1:], duration=1000 // RATE, loop=0, quality=70, method=6
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
