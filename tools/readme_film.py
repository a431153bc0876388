"""Makes the moving picture at the top of README.md: what the camera filmed, and what comes out.

    python tools/readme_film.py docs/images/sample.webp

Left the dark frames of the built-in scene, in the middle its bright ones, each shown until the next of its kind comes
(as one gets them by taking the film apart by hand); right the fused film, at the full frame rate.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import streamfuse

FRAMES = 48
RATE = 12
SOURCE = f"sample:?size=320x180&frames={FRAMES}&rate=24"


def main(output: Path) -> None:
    """Write an animated WebP of three panels, at half the speed of the scene."""
    with streamfuse.open_source(SOURCE) as source:
        filmed = [frame.rgb() for frame in source]
    fused = [frame.rgb() for frame in streamfuse.fuse_video(SOURCE, preset="best")]
    if len(filmed) != len(fused):
        sys.exit(f"{len(filmed)} frames went in and {len(fused)} came out.")
    line = np.full((filmed[0].shape[0], 4, 3), 255, np.uint8)
    pages = []
    for now, picture in enumerate(fused):
        dark, bright = now - now % 2, max(now - 1 + now % 2, 1)
        pages.append(Image.fromarray(np.hstack([filmed[dark], line, filmed[bright], line, picture])))
    pages[0].save(
        output, save_all=True, append_images=pages[1:], duration=1000 // RATE, loop=0, quality=70, method=6
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
